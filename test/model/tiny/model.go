package tiny

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Turn is what a model answers once.
type Turn struct {
	text string
	err  error
}

// Say is a turn that answers with text.
func Say(text string) Turn { return Turn{text: text} }

// Call is a turn that calls a tool with arguments, which must be a JSON object
// once marshalled. Its form is the one that llama models were taught, and that
// Ollama reads out of the answer.
func Call(tool string, arguments any) Turn {
	args, err := json.Marshal(arguments)
	if err != nil {
		return Turn{err: fmt.Errorf("make call of tool %q: %w", tool, err)}
	}
	return Turn{text: fmt.Sprintf(`{"name": %q, "parameters": %s}`, tool, args)}
}

// Text is the turn as the model writes it.
func (t Turn) Text() string { return t.text }

// Model is a named script. The first turn answers the user, the second the
// first answer of a tool, and so on; the last is repeated. Where no tools are
// offered the last turn is the answer at once.
type Model struct {
	Name  string
	Turns []Turn
}

// WriteGGUF writes the model's file. Equal scripts give equal bytes.
func (m Model) WriteGGUF(w io.Writer) error {
	for _, t := range m.Turns {
		if t.err != nil {
			return t.err
		}
	}
	words, err := newVocabulary(m.Turns)
	if err != nil {
		return fmt.Errorf("make model %q: %w", m.Name, err)
	}
	return words.write(w)
}

// Template is the model's prompt in Ollama's template language. It stands for
// each of the user's messages by one letter, so that the 50 KB which an agent
// sends cost a few tokens.
func (m Model) Template() string {
	var b strings.Builder
	b.WriteString(`{{- $n := 0 }}{{- range .Messages }}{{- if eq .Role "user" }}U{{ end }}`)
	b.WriteString(`{{- if eq .Role "tool" }}` + m.count() + `{{ end }}`)
	// Ollama learns from this part how the model writes a call.
	b.WriteString(`{{- range .ToolCalls }}{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }}`)
	b.WriteString(`{{- end }}{{- if .Tools }}` + m.markers() + `{{ else }}` + marker(len(m.Turns)-1) + `{{ end }}`)
	return b.String()
}

// count steps $n, up to the last turn; the language has no addition.
func (m Model) count() string {
	if len(m.Turns) == 1 {
		return ""
	}
	var b strings.Builder
	for i := range len(m.Turns) - 1 {
		fmt.Fprintf(&b, `{{- %s eq $n %d }}{{- $n = %d }}`, elseIf(i), i, i+1)
	}
	return b.String() + `{{- end }}`
}

// markers picks the marker of turn $n.
func (m Model) markers() string {
	var b strings.Builder
	for i := range m.Turns {
		fmt.Fprintf(&b, `{{- %s eq $n %d }}%s`, elseIf(i), i, marker(i))
	}
	return b.String() + `{{- end }}`
}

func elseIf(i int) string {
	if i == 0 {
		return "if"
	}
	return "else if"
}

// marker is the special token that begins a turn.
func marker(turn int) string { return fmt.Sprintf("<|turn%d|>", turn) }
