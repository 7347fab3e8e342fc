package policy

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var block = regexp.MustCompile("(?s)```(yaml|text)\n(.*?)```")

// TestReference holds docs/policy.md to the truth: every YAML in it is read by
// the parser, and what stands below one as text is what the parser says to it.
func TestReference(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var said string
	errors, files := 0, 0
	for _, found := range block.FindAllStringSubmatch(string(page), -1) {
		kind, text := found[1], found[2]
		if kind == "text" {
			if errors++; text != said {
				t.Errorf("the page has:\n%s\nthe parser says:\n%s", text, said)
			}
			said = ""
			continue
		}
		if files++; said != "" {
			t.Errorf("an example that is refused, without the message:\n%s", said)
		}
		said = readExample(text)
	}
	if said != "" || errors < 5 || files < 10 {
		t.Errorf("%d examples, %d messages, left: %s", files, errors, said)
	}
}

// readExample is what the parser says; an example of inference.yaml has a route
// or a provider in it.
func readExample(text string) string {
	name := "network-policy.yaml"
	if strings.Contains(text, "routes:") || strings.Contains(text, "providers:") {
		name = "inference.yaml"
	}
	if err := parseEither(name, []byte(text)); err != nil {
		return err.Error() + "\n"
	}
	return ""
}
