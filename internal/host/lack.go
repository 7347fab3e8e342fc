package host

import "fmt"

// Lack is one thing that is missing, in words for an operator.
type Lack struct {
	Wall   string // network, filesystem, process; empty where no wall depends on it
	What   string // "Landlock", "memory" …
	Have   string // as it is, with its number
	Want   string // as it should be, with its number
	Remedy string // what to do; may be several lines
	// Advice marks what a sandbox can start without.
	Advice bool
}

// Error names the wall, what is there and what is needed.
func (l Lack) Error() string {
	if l.Wall == "" {
		return fmt.Sprintf("%s: have %s, want %s", l.What, l.Have, l.Want)
	}
	return fmt.Sprintf("%s wall: %s: have %s, want %s", l.Wall, l.What, l.Have, l.Want)
}

// Hint is what to do.
func (l Lack) Hint() string { return l.Remedy }
