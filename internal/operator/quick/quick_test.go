package quick

import (
	"os/exec"
	"strings"
	"testing"
)

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
