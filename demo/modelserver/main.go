package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/test/model/server"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// startTime is how long a server may take to answer, once it is installed.
const startTime = time.Minute

func main() {
	dir := flag.String("dir", "", "folder for the server's files; url is written there when it is ready")
	port := flag.Int("port", 0, "loopback port; 0 takes a free one")
	print := flag.Bool("print-url", false, "print the URL when the server is ready")
	only := flag.Bool("install", false, "install llama.cpp into the cache and do nothing else")
	flag.Parse()
	if *only {
		if _, err := install(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	endWithGoRun()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *dir, *port, *print); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// endWithGoRun ends this process when `go run` is ended, which keeps a TERM for
// itself.
func endWithGoRun() {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getppid()))
	if err == nil && string(comm) == "go\n" {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0) // without it, the user ends us
	}
}

// run keeps a server until ctx ends.
func run(ctx context.Context, dir string, port int, print bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "url")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s, err := start(ctx, dir, port)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := writeWhole(file, s.URL+"\n"); err != nil {
		return err
	}
	defer os.Remove(file)
	say("%s answers at %s", s.Name, s.URL)
	if print {
		fmt.Println(s.URL)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.Done():
		return fmt.Errorf("%s ended: %s", s.Name, s.Words())
	}
}

// start runs the real Ollama where it was built, else llama.cpp.
func start(ctx context.Context, dir string, port int) (*server.Server, error) {
	models := []tiny.Model{tiny.Tiny(), tiny.Rogue()}
	_, err := server.OllamaProgram()
	var modules string
	if errors.Is(err, server.ErrNoOllama) {
		modules, err = install(ctx)
	}
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if modules == "" {
		return server.Ollama(limited, dir, port, models...)
	}
	script := filepath.Join(dir, "server.mjs")
	if err := os.WriteFile(script, serverScript, 0o600); err != nil {
		return nil, err
	}
	return server.Llama(limited, dir, port, script, modules, models...)
}

// writeWhole writes a file that others wait for: they see all of it or nothing.
func writeWhole(name, text string) error {
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "model server: "+format+"\n", args...) }
