package supervisor

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func baseName(path string) string { return filepath.Base(path) }

// reloadNetwork puts the network policy's file in force: at once, or not at
// all. The event is durable before it returns.
func (k *keeper) reloadNetwork(by string) (control.Reloaded, error) {
	changed, err := k.policies.loadNetwork()
	return k.reloadedNetwork(by, changed, err)
}

func (k *keeper) reloadedNetwork(by string, changed bool, err error) (control.Reloaded, error) {
	if err != nil {
		_ = k.told(audit.Event{Kind: audit.Reload, Wall: string(spec.NetworkWall), Verdict: "deny", By: by,
			Target: baseName(k.place.PolicyFile()), Why: err.Error() + "; the last good policy stays in force"})
		return control.Reloaded{}, hinted(err, "mend the file; the last good policy stays in force")
	}
	p := k.policies.network.Load()
	r := control.Reloaded{Revision: p.Revision(), Rules: p.Rules()}
	if changed {
		r.Cut = k.gate.Recheck()
		if err := k.page.write(k.policies.network.Load, time.Now()); err != nil {
			k.log.Say("%v", err) // the rules hold all the same
		}
	}
	if changed || by != "file" { // a save that changed nothing is no news
		if err := k.told(audit.Event{Kind: audit.Reload, Wall: string(spec.NetworkWall), Verdict: "allow", By: by,
			Target: baseName(k.place.PolicyFile()), Rule: "revision " + r.Revision, Count: r.Cut}); err != nil {
			return r, unwritten("the network policy is in force, but its reload", err)
		}
	}
	return r, nil
}

// reloadInference does the same for the routes; calls in flight finish where
// they began.
func (k *keeper) reloadInference(by string) (control.Reloaded, error) {
	changed, err := k.policies.loadInference()
	if err != nil {
		_ = k.told(audit.Event{Kind: audit.Reload, Wall: string(spec.InferenceWall), Verdict: "deny", By: by,
			Target: baseName(k.place.InferenceFile()), Why: err.Error() + "; the last good routes stay in force"})
		return control.Reloaded{}, hinted(err, "mend the file; the last good routes stay in force")
	}
	p := k.policies.inference.Load()
	r := control.Reloaded{Revision: p.Revision()}
	k.router.Learn(p)
	if changed || by != "file" {
		if err := k.told(audit.Event{Kind: audit.Reload, Wall: string(spec.InferenceWall), Verdict: "allow", By: by,
			Target: baseName(k.place.InferenceFile()), Rule: "revision " + r.Revision}); err != nil {
			return r, unwritten("the routes are in force, but their reload", err)
		}
	}
	return r, nil
}

// told writes an act of the operator and waits until it is durable. A book
// that cannot be written is shown by status and refuses everything else; it is
// told of the act when it can be written again. The error is for whoever waits for
// the act's answer; where the answer is an error anyway, or nobody waits, it may go.
func (k *keeper) told(e audit.Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if e.Verdict == "deny" {
		k.log.Say("%s: %s", e.Target, e.Why)
	}
	err := k.book.Sync(ctx, e)
	if err != nil {
		k.log.Say("write the book: %v", err)
		if ctx.Err() == nil { // else it is in the queue already
			k.book.Append(e)
		}
	}
	return err
}

// unwritten is said to the operator of an act that is not in the book.
func unwritten(what string, err error) error {
	return &control.Error{Message: what + " cannot be written into the book: " + err.Error(), Hint: state.DiskRemedy(err)}
}

// hinted gives err a hint where it has none.
func hinted(err error, hint string) error {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return err
	}
	return &control.Error{Message: err.Error(), Hint: hint}
}
