package main

import (
	"context"
	_ "embed" // the script and the pins travel in the program
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model/server"
)

var (
	//go:embed server.mjs
	serverScript []byte
	//go:embed package.json
	packageFile []byte
	//go:embed package-lock.json
	lockFile []byte
)

// llamaVersion is that of node-llama-cpp in package.json.
const llamaVersion = "3.22.1"

// install gives the folder of Node's modules with llama.cpp in it, fetched
// through npm the first time: about 85 MB, prebuilt, checked against the
// lockfile.
func install(ctx context.Context) (modules string, err error) {
	root, err := server.Root()
	if err != nil {
		return "", err
	}
	home := filepath.Join(root, ".cache", "llama-"+llamaVersion)
	modules = filepath.Join(home, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := fitting(ctx); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(filepath.Dir(home), "llama-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := fetch(ctx, work); err != nil {
		return "", err
	}
	// Complete or not at all; another one may have been quicker.
	if err := os.Rename(work, home); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return modules, nil
}

// fitting says what this machine lacks.
func fitting(ctx context.Context) error {
	if runtime.GOARCH != "amd64" {
		return errors.New("llama.cpp for Node is pinned for x86-64 alone here: run test/model/ollama.sh, or start an Ollama at 127.0.0.1:11434")
	}
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return errors.New("needs node and npm in PATH, or an Ollama at 127.0.0.1:11434")
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 20 {
		return fmt.Errorf("needs Node 20 or newer, have %s", strings.TrimSpace(string(out)))
	}
	return nil
}

// fetch lets npm install the pinned packages into dir, running none of their
// scripts.
func fetch(ctx context.Context, dir string) error {
	for name, data := range map[string][]byte{"package.json": packageFile, "package-lock.json": lockFile} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	began := time.Now()
	say("fetching llama.cpp for Node through npm (85 MB, the first time only)")
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	words := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = words, words
	if err := watched(cmd, began); err != nil {
		return fmt.Errorf("fetch llama.cpp with npm: %w: %s", err, strings.TrimSpace(words.String()))
	}
	say("fetched in %.0f s", time.Since(began).Seconds())
	return nil
}

// watched runs cmd and says every few seconds that it still runs.
func watched(cmd *exec.Cmd, began time.Time) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			say("still fetching, %.0f s", time.Since(began).Seconds())
		}
	}
}
