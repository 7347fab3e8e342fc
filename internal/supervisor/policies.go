package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/approval"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// policies are the two hot files. Readers load a pointer; a reload builds the
// new policy whole and swaps it, so that a broken file changes nothing. Safe
// for concurrent use.
type policies struct {
	networkFile, inferenceFile string
	files                      files
	networkOff                 bool

	network   atomic.Pointer[policy.Policy]
	inference atomic.Pointer[policy.Inference]

	mu           sync.Mutex // one reload or edit at a time
	networkErr   error      // protected by mu: of the file on disk, while the last good one is in force
	inferenceErr error      // protected by mu: likewise
}

// files are the two on disk: read and written by us until we are confined, and
// by the clerk from then on.
type files interface {
	Network() ([]byte, error)
	Inference() ([]byte, error)
	EditNetwork(change func([]byte) ([]byte, error)) error
}

// onDisk implements files without a clerk.
type onDisk struct{ network, inference string }

func (d onDisk) Network() ([]byte, error)   { return os.ReadFile(d.network) }
func (d onDisk) Inference() ([]byte, error) { return os.ReadFile(d.inference) }
func (d onDisk) EditNetwork(change func([]byte) ([]byte, error)) error {
	return state.EditDurable(d.network, 0o600, change)
}

// openPolicies reads both files; a broken one is an error, since there is no
// last good one to go on with.
func openPolicies(box state.Sandbox, set state.Settings) (*policies, error) {
	p := &policies{
		networkFile: box.PolicyFile(), inferenceFile: box.InferenceFile(), files: onDisk{box.PolicyFile(), box.InferenceFile()},
		networkOff: set.Walls.NetworkOff,
	}
	if _, err := p.loadNetwork(); err != nil {
		return nil, err
	}
	if _, err := p.loadInference(); err != nil {
		return nil, err
	}
	return p, nil
}

// loadNetwork puts the file in force, and says whether that changed anything.
func (p *policies) loadNetwork() (changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loadNetworkLocked()
}

func (p *policies) loadNetworkLocked() (changed bool, err error) {
	if p.networkOff {
		p.network.CompareAndSwap(nil, policy.Open())
		return false, nil
	}
	next, err := policyFrom(p.networkFile, p.files.Network, p.parseNetwork)
	p.networkErr = err
	if err != nil {
		return false, err
	}
	was := p.network.Swap(next)
	return was == nil || was.Revision() != next.Revision(), nil
}

// large is a file whose reading leaves many megabytes to the collector.
const large = 128 << 10

// parseNetwork reads the text as a change of the policy in force, which is what
// a save mostly is. Where the file is large all of it may be new, and a save
// holds after 50 ms at most: a third of that went to collecting, again and
// again, what reading leaves. So it is collected afterwards; in the meantime it
// is some 30 MB at the very most, by the limit of a file's size.
func (p *policies) parseNetwork(name string, text []byte) (*policy.Policy, error) {
	if len(text) >= large {
		defer debug.SetGCPercent(debug.SetGCPercent(400))
	}
	return policy.ParseAfter(p.network.Load(), name, text)
}

func (p *policies) loadInference() (changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, err := policyFrom(p.inferenceFile, p.files.Inference, policy.ParseInference)
	p.inferenceErr = err
	if err != nil {
		return false, err
	}
	was := p.inference.Swap(next)
	return was == nil || was.Revision() != next.Revision(), nil
}

func readPolicy[P any](file string, parse func(string, []byte) (P, error)) (P, error) {
	return policyFrom(file, func() ([]byte, error) { return os.ReadFile(file) }, parse)
}

func policyFrom[P any](file string, read func() ([]byte, error), parse func(string, []byte) (P, error)) (P, error) {
	data, err := read()
	if err != nil {
		var none P
		return none, fmt.Errorf("read policy: %w", err)
	}
	return parse(filepath.Base(file), data)
}

// broken is why the network policy's file on disk is not in force, or nil.
func (p *policies) broken() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.networkErr
}

// brokenRoutes is the same for the inference policy's file.
func (p *policies) brokenRoutes() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inferenceErr
}

// keep writes the operator's "always" into the file and puts it in force: the
// very road of a hand edit, whose result is on disk before this returns.
func (p *policies) keep(i approval.Item, allow bool, by string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	entry, err := entryOf(i, allow, by, time.Now())
	if err != nil {
		return err
	}
	edit := policy.AddDeny
	if allow {
		edit = policy.AddRule
	}
	err = p.files.EditNetwork(func(text []byte) ([]byte, error) { return edit(text, entry) })
	if err != nil {
		return fmt.Errorf("add to policy: %w", err)
	}
	_, err = p.loadNetworkLocked()
	return err
}
