package onboard

import (
	"strings"
	"testing"
)

// A token is one word that means nothing in a URL or in JSON; anything else is refused.
func TestParseToken(t *testing.T) {
	made, err := newToken()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		made + "\n": made, made: made, "A-._~0123456789abc": "A-._~0123456789abc",
		"": "", "short\n": "", made + "\n\n": "", made + " \n": "", made + "\"": "", made + "#": "", made + "é": "", `{"v":2,"token":"0123456789abcdef"}`: "", strings.Repeat("a", 129): "",
	} {
		if got, err := ParseToken([]byte(text)); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
