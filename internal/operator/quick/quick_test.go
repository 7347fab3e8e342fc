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

// What only the long road needs is not initialised on the short one: neither
// needed here nor sorted before this package.
func TestBeforeTheRest(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const here = "github.com/nemoclaw/nemoclaw/internal/operator/quick"
	for _, late := range []string{"oras.land/oras-go/v2", "oras.land/oras-go/v2/registry"} {
		if late < here {
			t.Errorf("%s is initialised before", late)
		}
		for _, d := range strings.Fields(string(out)) {
			if d == late {
				t.Errorf("needs %s", late)
			}
		}
	}
}
