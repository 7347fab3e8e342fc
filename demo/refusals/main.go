package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func main() {
	since := flag.Int64("since", 0, "seconds since 1970: events before are left out")
	flag.Parse()
	n := 0
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e audit.Event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			fmt.Fprintln(os.Stderr, "read the book:", err)
			os.Exit(1)
		}
		if !e.Time.Before(time.Unix(*since, 0)) {
			n += tell(e)
		}
	}
	if n < 2 {
		fmt.Fprintf(os.Stderr, "error: demo: %d refusals in the book: want at least two, a file and a host\n", n)
		os.Exit(1)
	}
}

// tell prints what e says of a refusal, and how many it was.
func tell(e audit.Event) int {
	if e.Verdict != "allow" && (e.Kind == audit.Network || e.Kind == audit.Syscall) {
		fmt.Printf("✗ %-28s tried by %s\n  stopped by the %s wall: %s\n", say.Clean(e.Target), say.Clean(e.Program), e.Wall, say.Clean(e.Why))
		return 1
	}
	if e.Call == nil {
		return 0
	}
	n := 0
	for _, line := range fileRefusals(e.Call.Prompt) {
		fmt.Printf("✗ %-28s tried by the agent's exec tool\n  stopped by the filesystem wall: the built-up root, and Landlock on top\n", say.Clean(line))
		n++
	}
	return n
}

// fileRefusals are the lines of a tool's answer, told back to the model, that
// say that a file was refused.
func fileRefusals(prompt string) []string {
	var messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal([]byte(prompt), &messages) != nil {
		return nil
	}
	var out []string
	for _, m := range messages {
		if m.Role != "tool" {
			continue
		}
		var text string
		if json.Unmarshal(m.Content, &text) != nil {
			text = string(m.Content)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, "Permission denied") && strings.Contains(line, "/etc/") {
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return out
}
