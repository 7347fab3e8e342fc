package e2e

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model/server"
	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// models is the one model server for all tests that do not stop it: the real
// Ollama, with a model that says a sentence and one that calls a tool.
var models struct {
	once sync.Once
	dir  string
	*server.Server
	err error
}

// tests are those of m, and the end of what they share.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	defer func() {
		if models.Server != nil {
			models.Close()
		}
		os.RemoveAll(models.dir)
	}()
	return t.m.Run()
}

// modelServer is the URL of the model server.
func modelServer(t *testing.T) string {
	t.Helper()
	models.once.Do(func() {
		if models.dir, models.err = os.MkdirTemp("", "e2e-models-"); models.err == nil {
			models.Server, models.err = lasting(func() (*server.Server, error) { return startModels(models.dir, 0) })
		}
	})
	if errors.Is(models.err, server.ErrNoOllama) {
		t.Skip(models.err)
	}
	if models.err != nil {
		t.Fatal(models.err)
	}
	return models.URL
}

func startModels(dir string, port int) (*server.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return server.Ollama(ctx, dir, port, tiny.Tiny(), tiny.Rogue())
}

// lasting starts a server on a thread that lives as long as we do: the server
// ends with the thread that started it (PR_SET_PDEATHSIG(2const)), and looking
// at what the machine can do ends threads.
func lasting(start func() (*server.Server, error)) (*server.Server, error) {
	type started struct {
		s   *server.Server
		err error
	}
	done := make(chan started)
	go func() {
		runtime.LockOSThread()
		s, err := start()
		done <- started{s, err}
		if err == nil {
			<-s.Done()
		}
	}()
	d := <-done
	return d.s, d.err
}
