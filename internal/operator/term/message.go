package term

import (
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// What the eyes tell the view.
type (
	// found is the sandboxes that there are.
	found struct {
		names []state.Name
		err   error
	}
	// attached: the events of name come from now on.
	attached struct{ name state.Name }
	// away: name has no supervisor that answers. Its questions are asked again
	// when it is back.
	away struct {
		name   state.Name
		status control.Status
	}
	// standing is how a running sandbox is. hold is how long its policy holds a
	// connection, 0 where that is not known for sure.
	standing struct {
		name   state.Name
		status control.Status
		hold   time.Duration
	}
	// asked is all the questions of a sandbox.
	asked struct {
		name state.Name
		all  []control.Approval
	}
	// speaking is a model call of a sandbox, as far as it has come.
	speaking struct {
		name state.Name
		call control.Underway
	}
	// happened is new events, oldest first; old ones were read from the book.
	happened struct {
		name   state.Name
		events []audit.Event
		old    bool
	}
)

// What else reaches the view.
type (
	// answered is what became of an answer.
	answered struct {
		to   id
		word word
		now  control.Approval
		err  error
	}
	// tick moves the clock on the screen.
	tick struct{}
	// ripe: a new alert has been on the screen long enough to take a key.
	ripe struct{}
	// read is a file that the operator wanted to see.
	read struct {
		title string
		lines []line
		top   int // the line to begin with
	}
)
