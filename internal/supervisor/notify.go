package supervisor

import (
	"github.com/nemoclaw/nemoclaw/internal/approval"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/notify"
)

// startNotifier starts the process that runs the operator's command, where
// sandbox.yaml names one: once confined, we can start none.
func (k *keeper) startNotifier() (err error) {
	if len(k.settings.Notify) == 0 {
		return nil
	}
	k.notifier, err = notify.Start(k.place, func(id string) bool {
		item, ok := k.asks.find(id)
		return ok && item.State == approval.StatePending && k.views.Load() == 0
	})
	return err
}

// notify tells an operator who does not watch of a new question.
func (k *keeper) notify(i approval.Item) {
	if k.views.Load() > 0 {
		return
	}
	s := shown(i)
	k.notifier.Tell(notify.Question{ID: s.ID, Host: s.Host, Port: s.Port, Program: s.Program, Address: s.Address, Notice: s.Notice, Time: s.Time})
}

// Watched counts an operator who watches, until left is called.
func (o offers) Watched() (left func()) {
	o.views.Add(1)
	return func() { o.views.Add(-1) }
}
