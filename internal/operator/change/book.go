package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// bookPatience is how long the disk has to take one line.
const bookPatience = 10 * time.Second

// write enters a change into the book of a sandbox that is stopped and whose
// lock the caller holds; it is on disk when write returns.
func write(s state.Sandbox, e audit.Event) error {
	book, err := audit.Open(s.AuditDir(), s.Anchor())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), bookPatience)
	defer cancel()
	e.Kind, e.By = audit.Change, control.Me()
	return errors.Join(book.Sync(ctx, e), book.Close())
}

// moved is the event of a change from one generation to another.
func moved(verdict string, from, to state.Generation, was, is state.Blueprint, snapshot string) audit.Event {
	return audit.Event{
		Verdict: verdict, Target: ref(is), ID: snapshot,
		Why: fmt.Sprintf("generation %d (%s) took the place of %d (%s)", to.Number, is.Digest, from.Number, ref(was)),
	}
}
