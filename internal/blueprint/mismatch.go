package blueprint

import "fmt"

// Mismatch is the article's error: some bytes are not the ones that the
// blueprint means. It is never mended in silence, and nothing of those bytes
// is used.
type Mismatch struct {
	Blueprint string // NAME@VERSION, where known
	What      string // which bytes: a package, a file
	Want, Got Digest // Got is "" where the bytes are missing
	Why       string // what is wrong where no digest can say it: added, missing
	Sandbox   string // whose rebuild the hint names; "" prints NAME
}

func (m *Mismatch) Error() string {
	what := m.What
	if m.Blueprint != "" {
		what = m.Blueprint + ": " + what
	}
	why := m.Why
	if why == "" {
		got := string(m.Got)
		if got == "" {
			got = "nothing"
		}
		why = fmt.Sprintf("expected %s, got %s", m.Want, got)
	}
	return fmt.Sprintf("Blueprint digest mismatch: %s: %s", what, why)
}

// Hint is the article's remedy. A CLI prints it behind one arrow.
func (m *Mismatch) Hint() string {
	name := m.Sandbox
	if name == "" {
		name = "NAME"
	}
	return "nemoclaw blueprint cache clear\n" +
		"→ nemoclaw " + name + " rebuild; where it is not made yet: nemoclaw onboard\n" +
		"→ if it fails again, do not proceed: the bytes are damaged or not the published ones"
}
