package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// Llama starts a server script of Node's, which runs models by llama.cpp. The
// script is told of the models by a file and of its library by LLAMA_MODULES,
// and prints its URL when it is ready. All its files are in dir; port 0 takes a
// free one.
func Llama(ctx context.Context, dir string, port int, script, modules string, models ...tiny.Model) (*Server, error) {
	list, err := writeModels(dir, models)
	if err != nil {
		return nil, err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("start llama.cpp: needs Node 20 or newer in PATH")
	}
	cmd := exec.Command(node, script, list)
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "TMPDIR=" + dir, "LLAMA_MODULES=" + modules, "PORT=" + strconv.Itoa(port)}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start llama.cpp: %w", err)
	}
	defer out.Close()
	cmd.Stdout = in
	s := &Server{Name: "llama.cpp"}
	err = s.run(cmd)
	in.Close()
	if err != nil {
		return nil, err
	}
	if s.URL, err = s.firstLine(ctx, out); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// firstLine waits for the URL that the script prints.
func (s *Server) firstLine(ctx context.Context, out io.ReadCloser) (string, error) {
	stop := context.AfterFunc(ctx, func() { _ = out.Close() })
	defer stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.Close()
		return "", fmt.Errorf("start %s: no URL from it: %w: %s", s.Name, errors.Join(ctx.Err(), err), s.words)
	}
	return strings.TrimSpace(line), nil
}

// writeModels puts the models' files into dir, and the list of them.
func writeModels(dir string, models []tiny.Model) (list string, err error) {
	type row struct {
		Name  string `json:"name"`
		File  string `json:"file"`
		Turns int    `json:"turns"`
	}
	var rows []row
	for _, m := range models {
		name := filepath.Join(dir, m.Name+".gguf")
		if err := writeModel(name, m); err != nil {
			return "", err
		}
		rows = append(rows, row{m.Name, name, len(m.Turns)})
	}
	raw, err := json.Marshal(rows)
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "models.json")
	return list, os.WriteFile(list, raw, 0o600)
}

func writeModel(name string, m tiny.Model) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write model %q: %w", m.Name, err)
	}
	if err := m.WriteGGUF(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
