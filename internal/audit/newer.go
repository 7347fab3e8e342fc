package audit

import "fmt"

// Newer means that a later nemoclaw wrote the book. What this program does not
// know it neither judges nor goes on with: to drop it as torn would lose events.
type Newer struct {
	What string // of the book
	Have int
}

func (e *Newer) Error() string {
	return fmt.Sprintf("audit book: %s has version %d: this program knows up to %d", e.What, e.Have, version)
}

// Hint says what to do.
func (e *Newer) Hint() string { return "use the newer nemoclaw that wrote it" }
