package native

import (
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/version"
)

// A supervisor of another build is named, with the command that replaces it.
func TestOutdatedSupervisorIsNamed(t *testing.T) {
	if st := outdated(control.Status{Name: "box", Version: version.String}); len(st.Notes) > 0 {
		t.Errorf("of this build: %v", st.Notes)
	}
	for have, want := range map[string]string{"v0.0.1": "it runs nemoclaw v0.0.1: restart to use " + version.String, "": "of an earlier version"} {
		st := outdated(control.Status{Name: "box", Version: have})
		if len(st.Notes) != 1 || !strings.Contains(st.Notes[0], want) || !strings.Contains(st.Notes[0], "nemoclaw box restart") {
			t.Errorf("%q: %v", have, st.Notes)
		}
	}
}
