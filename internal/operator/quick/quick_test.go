package quick

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/session"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/throwaway"
)

// What package throwaway takes for the command's signals, session does too.
func TestPassed(t *testing.T) {
	if !slices.Equal(throwaway.Passed, session.Passed) {
		t.Errorf("%v and %v", throwaway.Passed, session.Passed)
	}
}

// What only other commands need is not initialised on the short road: the build
// puts all that this package needs before it (scripts/inits).
func TestBeforeTheRest(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range strings.Fields(string(out)) {
		for _, late := range []string{"oras.land/", "pault.ag/", "github.com/ProtonMail/", "github.com/CycloneDX/", "github.com/klauspost/", "github.com/opencontainers/", "charm.land/"} {
			if strings.HasPrefix(d, late) {
				t.Errorf("needs %s", d)
			}
		}
	}
}
