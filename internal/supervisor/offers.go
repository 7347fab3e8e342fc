package supervisor

import (
	"context"
	"errors"
	"net"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/session"
)

// offers is the keeper as the operator sees it; it implements control.Sandbox.
type offers struct{ *keeper }

var _ control.Sandbox = offers{}

func (o offers) Approvals(context.Context) ([]control.Approval, error) { return o.asks.List(), nil }

func (o offers) Answer(ctx context.Context, id string, a control.Answer) (control.Approval, error) {
	by := control.By(ctx)
	if err := o.book.Err(); err != nil {
		return control.Approval{}, unwritten("nothing was answered, since the answer", err)
	}
	item, changed, err := o.asks.Answer(id, a, by)
	if err != nil {
		return control.Approval{}, err
	}
	err = o.told(audit.Event{
		Kind: audit.Approval, Wall: "network", Verdict: a.Verdict, By: by, ID: item.ID,
		Program: item.Program, Target: hostPort(item.Host, item.Port), Why: a.Scope,
	})
	if err != nil {
		return control.Approval{}, unwritten("the answer counts, but it", err)
	}
	if changed {
		if _, err := o.reloadedNetwork(by, true, nil); err != nil {
			return control.Approval{}, err
		}
	}
	return item, nil
}

func (o offers) ReloadPolicy(ctx context.Context) (control.Reloaded, error) {
	return o.reloadNetwork(control.By(ctx))
}

func (o offers) ReloadInference(ctx context.Context) (control.Reloaded, error) {
	return o.reloadInference(control.By(ctx))
}

// Inference is the policy that calls go by, which may not be the file's.
func (o offers) Inference(context.Context) (control.InferencePolicy, error) {
	p := o.policies.inference.Load()
	in := control.InferencePolicy{Revision: p.Revision(), Text: string(p.Format())}
	if err := o.policies.brokenRoutes(); err != nil {
		in.Error = err.Error()
	}
	return in, nil
}

// Stop ends the sandbox and returns when it is gone.
func (o offers) Stop(ctx context.Context) error {
	o.log.Say("stop asked by %s", control.By(ctx))
	o.stop()
	select {
	case <-o.box.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o offers) Events(ctx context.Context) (<-chan audit.Event, error) {
	return o.book.Watch(ctx), nil
}

func (o offers) Logs(ctx context.Context, lines int, follow bool) (<-chan string, error) {
	ctx, cancel := context.WithCancel(ctx)
	last, next := o.log.follow(ctx, lines)
	out := make(chan string)
	go func() { // ends with ctx, which the caller ends
		defer close(out)
		defer cancel()
		for _, l := range last {
			select {
			case out <- l:
			case <-ctx.Done():
				return
			}
		}
		for follow {
			select {
			case l, ok := <-next:
				if !ok {
					return
				}
				select {
				case out <- l:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (o offers) SSH(ctx context.Context, conn net.Conn) error {
	if o.sessions == nil {
		return errors.New("serve a session: the sandbox is not up yet")
	}
	return o.sessions(ctx, conn)
}

func (o offers) Exec(ctx context.Context, conn *control.Carrier) error {
	if o.sessions == nil {
		return errors.New("serve a command: the sandbox is not up yet")
	}
	return session.ServeExec(ctx, conn, sessionBox{o.keeper, control.By(ctx)})
}
