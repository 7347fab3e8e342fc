// Command client does with one official Go library what a program of its users
// does, and prints what came of it as JSON, a line for each router:
// client LIBRARY URL …
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// result is what one library was told.
type result struct {
	Whole     string   `json:"whole"`
	Stream    gathered `json:"stream"`
	Tool      tool     `json:"tool"`
	Generated string   `json:"generated,omitempty"`
	Models    []string `json:"models,omitempty"`
	Shown     []string `json:"shown,omitempty"`
	Running   bool     `json:"running,omitempty"`
	Version   string   `json:"version,omitempty"`
	Count     int64    `json:"count,omitempty"`
	Seen      string   `json:"seen"`
	Vectors   []int    `json:"vectors,omitempty"` // how many numbers there are in each
	Unfit     *refused `json:"unfit,omitempty"`   // why there are none
	Refused   *refused `json:"refused"`
}

type gathered struct {
	Text  string `json:"text"`
	Parts int    `json:"parts"`
}

func (g *gathered) add(text string) {
	if text != "" {
		g.Text += text
		g.Parts++
	}
}

type tool struct {
	Name      string         `json:"name"`
	Arguments map[string]any `json:"arguments"`
}

type refused struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

const key = "the-agents-own"

const (
	picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	address = "data:image/png;base64," + picture
)

var schema = map[string]any{"type": "object", "properties": map[string]any{"command": map[string]any{"type": "string"}}}

func main() {
	libraries := map[string]func(context.Context, string, *result) error{
		"ollama": ofOllama, "openai": ofOpenAI, "responses": ofResponses, "anthropic": ofAnthropic, "gemini": ofGemini,
	}
	for _, url := range os.Args[2:] {
		var out result
		if err := libraries[os.Args[1]](context.Background(), url, &out); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = json.NewEncoder(os.Stdout).Encode(out)
	}
}
