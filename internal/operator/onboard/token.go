package onboard

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// tokenName is the host's copy of the token that the agent's gateway wants.
const tokenName = "gateway-token"

// Token is that token; "" where there is none.
func Token(s state.Sandbox) (string, error) {
	file := filepath.Join(s.Dir(), tokenName)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the gateway's token: %w", err)
	}
	token, err := ParseToken(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return token, nil
}

// shortest and longest bound a token, in characters.
const shortest, longest = 16, 128

// ParseToken reads the file's one line. It becomes part of a URL and of the agent's
// settings, so that what means something there is no token.
func ParseToken(text []byte) (string, error) {
	token := strings.TrimSuffix(string(text), "\n")
	other := func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("-._~", r)
	}
	if len(token) < shortest || len(token) > longest || strings.ContainsFunc(token, other) {
		return "", fmt.Errorf("read the gateway's token: want one line of %d to %d letters, digits and -._~", shortest, longest)
	}
	return token, nil
}

func newToken() (string, error) {
	b := make([]byte, 24)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}
