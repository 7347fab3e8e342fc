package say

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// JSON prints value to stdout as one line, or indented where a person looks.
func (v *Voice) JSON(value any) error {
	text, err := marshal(value)
	if err != nil {
		return err
	}
	if v.OutTTY {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
			return err
		}
		text = b.String()
	}
	v.Result("%s", text)
	return nil
}

// JSONLine prints value to stdout as one line, always.
func (v *Voice) JSONLine(value any) error {
	text, err := marshal(value)
	if err != nil {
		return err
	}
	v.Result("%s", text)
	return nil
}

// marshal is json.Marshal without HTML escapes, and with an escape for every
// character that Clean would not let through: JSON is read on terminals too.
func marshal(value any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", err
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if harmless(text) {
		return text, nil
	}
	var out strings.Builder
	for _, r := range text {
		writeJSONRune(&out, r)
	}
	return out.String(), nil
}

func writeJSONRune(out *strings.Builder, r rune) {
	if printable(r) {
		out.WriteRune(r)
		return
	}
	if hi, lo := utf16.EncodeRune(r); hi != '\uFFFD' {
		_, _ = fmt.Fprintf(out, `\u%04x\u%04x`, hi, lo)
		return
	}
	_, _ = fmt.Fprintf(out, `\u%04x`, r)
}
