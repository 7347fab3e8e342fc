package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// meter finds out which limits are met, tells it in the log and the book, and keeps it for
// status. Most of them the kernel counts; it is asked at each glance, and when somebody
// wants to know. What it counts nowhere PID 1 has to look for, which wakes it: so it is
// asked when somebody wants to know, and otherwise only when the sandbox has taken or given
// back memory since the last glance. An idle one is left alone. Safe for concurrent use.
type meter struct {
	limits state.Limits
	count  func() reached // cheap: files of the control group, and our own figures
	memory func() int64   // bytes that the sandbox has now; 0 where nobody counts
	groups bool           // the kernel counts processes that could not be started
	look   func(context.Context) (launch.Full, error)
	record func(audit.Event)
	say    func(string, ...any)
	now    func() time.Time

	asker sync.WaitGroup
	had   int64 // memory, at the last glance; of glance alone

	looking sync.Mutex // one look at a time: PID 1 has few threads

	mu   sync.Mutex
	seen map[string]hit  // by limit and place, what looks have found; protected by mu
	told map[string]tale // by the same; protected by mu
}

// tale is what was told of a limit.
type tale struct {
	times int
	at    time.Time
}

// patience is how long a look may take.
const patience = 2 * time.Second

// seldomTold is how long nothing more is told of a limit that was.
const seldomTold = time.Minute

func (k *keeper) newMeter() *meter {
	return &meter{
		limits: k.settings.Limits,
		count:  k.reached, memory: k.group.Memory, groups: k.group.LimitsProcesses(), look: k.box.Full,
		record: k.record.Event, say: k.log.Say, now: time.Now,
		seen: map[string]hit{}, told: map[string]tale{},
	}
}

// reached is what was counted since the start.
func (k *keeper) reached() reached {
	flows := k.gate.Stats()
	return reached{
		flows: flows.Flows, most: k.portions.flows, crowded: flows.Crowded,
		forks: k.group.ForksRefused(), kills: k.group.OOMKills(), waited: k.group.KeptWaiting(),
		turns: k.log.turned(), largest: k.disk.quota.largestFile(),
	}
}

// glance tells of what was met since the last one. It waits for nobody.
func (m *meter) glance(ctx context.Context) {
	m.tell(m.count().hits(m.limits))
	has := m.memory()
	if has == m.had {
		return
	}
	m.had = has
	if m.looking.TryLock() {
		m.asker.Go(func() {
			defer m.looking.Unlock()
			m.find(ctx)
		})
	}
}

// hits are all limits that were met since the start, and now.
func (m *meter) hits(ctx context.Context) []hit {
	m.looking.Lock()
	m.find(ctx)
	m.looking.Unlock()
	all := m.count().hits(m.limits)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range []string{"files", "pids", "tmp_bytes", "/dev/shm"} {
		if h, ok := m.seen[key]; ok {
			all = append(all, h)
		}
	}
	return all
}

// find has PID 1 look. One that does not answer in time is busy with what is told anyway.
// The caller holds looking.
func (m *meter) find(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f, err := m.look(ctx)
	if err != nil {
		return
	}
	found := hitsOf(f, m.limits, m.groups, m.now())
	m.mu.Lock()
	for i, h := range found {
		h.times += m.seen[h.limit].times
		found[i], m.seen[h.limit] = h, h
	}
	m.mu.Unlock()
	m.tell(found)
}

// tell writes down what is new: of each limit the first time at once, and later not before
// it was met twice as often and a minute has passed.
func (m *meter) tell(all []hit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range all {
		was := m.told[h.limit]
		if h.limit == "log" || h.times < max(1, 2*was.times) || m.now().Sub(was.at) < seldomTold {
			continue
		}
		m.told[h.limit] = tale{h.times, m.now()}
		m.say("limit: %s%s", h.why, h.remedy)
		m.record(audit.Event{Kind: audit.Limit, Target: h.limit, Why: h.why, Count: h.times})
	}
}

func (m *meter) wait() { m.asker.Wait() }

// largestFile is the name of a file that was as large as one may be; "" for none.
func (q *quota) largestFile() string {
	if q == nil {
		return ""
	}
	if name := q.largest.Load(); name != nil {
		return *name
	}
	return ""
}
