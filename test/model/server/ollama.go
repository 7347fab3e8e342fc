package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// ErrNoOllama says that the real Ollama was not built here.
var ErrNoOllama = errors.New("needs the real Ollama: run test/model/ollama.sh")

// Server is a running model server.
type Server struct {
	URL  string // http://127.0.0.1:PORT
	Name string // what it is, for people

	process *exec.Cmd
	ended   chan struct{} // closed once the process was waited for
	words   *tail
}

// OllamaProgram is the real Ollama in the cache of the repository that the
// working folder lies in.
func OllamaProgram() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	program := filepath.Join(root, ".cache", "ollama", "ollama")
	if _, err := os.Stat(program); err != nil {
		return "", ErrNoOllama
	}
	return program, nil
}

// Root is the repository that the working folder lies in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("find the repository: no go.mod above the working folder")
}

// Ollama starts the real Ollama with models, keeping all its files in dir.
// Port 0 takes a free one. It returns once the models answer to their names.
func Ollama(ctx context.Context, dir string, port int, models ...tiny.Model) (*Server, error) {
	program, err := OllamaProgram()
	if err != nil {
		return nil, err
	}
	if port == 0 {
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	cmd := exec.Command(program, "serve")
	cmd.Env = []string{
		"HOME=" + dir, "PATH=/usr/bin:/bin", "TMPDIR=" + dir,
		"OLLAMA_HOST=" + address,
		"OLLAMA_MODELS=" + filepath.Join(dir, "models"),
		"OLLAMA_KEEP_ALIVE=10m", "OLLAMA_NOPRUNE=1",
		"OLLAMA_MAX_LOADED_MODELS=4", "OLLAMA_NUM_PARALLEL=1",
	}
	s := &Server{URL: "http://" + address, Name: "Ollama"}
	if err := s.run(cmd); err != nil {
		return nil, err
	}
	if err := s.fill(ctx, models); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// fill waits for the server and makes the models.
func (s *Server) fill(ctx context.Context, models []tiny.Model) error {
	if err := s.await(ctx); err != nil {
		return err
	}
	for _, m := range models {
		if err := s.create(ctx, m); err != nil {
			return fmt.Errorf("create model %q: %w", m.Name, err)
		}
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// run starts the process in a group of its own, so that its children (a runner
// for each model) end with it; it is told to end when we die.
func (s *Server) run(cmd *exec.Cmd) error {
	s.process, s.words, s.ended = cmd, &tail{}, make(chan struct{})
	cmd.Stderr = s.words
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = time.Second
	started := make(chan error, 1)
	go func() {
		// The kernel sends the signal when the starting thread ends, not the
		// process, so this one stays as long as the server does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its last words
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	return nil
}

// await asks for the version until the server answers, ends, or ctx does.
func (s *Server) await(ctx context.Context) error {
	for {
		if _, err := s.call(ctx, "GET", "/api/version", nil); err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.ended:
			return fmt.Errorf("start %s: it ended: %s", s.Name, s.words)
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w: %s", s.Name, ctx.Err(), s.words)
		}
	}
}

// create uploads the model's file and names it.
func (s *Server) create(ctx context.Context, m tiny.Model) error {
	var file bytes.Buffer
	if err := m.WriteGGUF(&file); err != nil {
		return err
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(file.Bytes()))
	if _, err := s.call(ctx, "POST", "/api/blobs/"+digest, file.Bytes()); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"model": m.Name, "stream": false,
		"files":      map[string]string{m.Name + ".gguf": digest},
		"template":   m.Template(),
		"parameters": map[string]any{"temperature": 0},
	})
	if err != nil {
		return err
	}
	_, err = s.call(ctx, "POST", "/api/create", body)
	return err
}

func (s *Server) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}

// Close ends the server and everything that it started, and waits for it.
func (s *Server) Close() {
	group := -s.process.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM) // gone already is as good
	select {
	case <-s.ended:
	case <-time.After(3 * time.Second):
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-s.ended
}

// Done is closed once the server has ended.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Words is the end of what the server said.
func (s *Server) Words() string { return s.words.String() }
