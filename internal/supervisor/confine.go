package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/limit"
)

// confine takes from this process, on all its threads and for good, what it
// does not need while the sandbox runs, and proves it. The book, its anchor,
// the logs, the roots of trust, the control socket and all listeners are open
// by now. The clerk does what needs the sandbox's folder or the secrets.
func (k *keeper) confine(ctx context.Context) error {
	if home := k.place.Home().Dir; granted(home) {
		return &control.Error{
			Message: "confine the supervisor: it needs the folder around " + home + " for the machine's names",
			Hint:    "choose a NEMOCLAW_HOME elsewhere, such as " + filepath.Join("~", ".nemoclaw"),
		}
	}
	if err := k.clerk.Await(ctx); err != nil {
		return err
	}
	k.policies.files = k.clerk
	_, _ = time.Now().Zone() // reads the machine's time zone, once
	proofs, err := limits(k.place, k.group.Dirs(), k.box.PID()).Prove(limitTries(k.place))
	if err != nil {
		return fmt.Errorf("confine the supervisor: %w", err)
	}
	k.limits = proofs
	k.all.Go(func() {
		select {
		case <-ctx.Done():
		case <-k.clerk.Gone():
			k.fail("clerk", nil)
		}
	})
	return nil
}

// limits are what the supervisor keeps, whose sandbox has these control groups
// and this init.
func limits(place state.Sandbox, groups []string, pid int) limit.Limits {
	return limit.Limits{
		Paths: limitPaths(place, groups), Network: true, Kill: pid,
		Override: slices.ContainsFunc(groups, inClosed),
	}
}

// inClosed says whether dir lies in a folder that not even its owner may write
// without a capability.
func inClosed(dir string) bool {
	info, err := os.Stat(filepath.Dir(dir))
	return err == nil && info.Mode().Perm()&0o200 == 0
}

// limitPaths are the folders that a supervisor goes on using. The sandbox's
// own is none of them, since the workspace lies in it.
func limitPaths(place state.Sandbox, groups []string) []limit.Path {
	paths := []limit.Path{
		{Dir: place.AuditDir(), Access: limit.Read | limit.Write}, // what is in the book stays there
		{Dir: place.RunDir(), Access: limit.Read | limit.Write | limit.Replace},
		{Dir: "/proc", Access: limit.Read}, // who a peer is, by its status
	}
	for _, dir := range resolverFolders() {
		paths = append(paths, limit.Path{Dir: dir, Access: limit.Read, Optional: true})
	}
	for _, dir := range groups {
		paths = append(paths,
			limit.Path{Dir: dir, Access: limit.Read},
			limit.Path{Dir: filepath.Dir(dir), Access: limit.Clear}) // removed at the end
	}
	return paths
}

// resolverFolders are those of the resolver's configuration: a rule for the
// file itself would end when a change of network replaces it.
func resolverFolders() []string {
	dirs := []string{"/etc", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/netconfig"}
	for _, f := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"} {
		to, err := filepath.EvalSymlinks(f)
		if dir := filepath.Dir(to); err == nil && dir != "/" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// limitTries are what a supervisor must be refused.
func limitTries(place state.Sandbox) []limit.Try {
	tries := []limit.Try{limit.Open(place.Workspace()), limit.Open(place.Home().Dir), limit.Open(place.Home().Secrets())}
	if home, err := os.UserHomeDir(); err == nil && !granted(home) {
		tries = append(tries, limit.Open(home))
	}
	return append(tries, limit.Exec(), limit.Socket(), limit.Trace())
}

// granted says whether dir lies beneath what every supervisor may read.
func granted(dir string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return slices.ContainsFunc(append(resolverFolders(), "/proc"), func(free string) bool {
		in, err := filepath.Rel(free, dir)
		return err == nil && in != ".." && !strings.HasPrefix(in, "../")
	})
}

// confined is what status shows of it.
func (k *keeper) confined() control.Wall {
	told := make([]string, len(k.limits))
	for i, p := range k.limits {
		told[i] = p.Tried + ": " + p.Got
	}
	return control.Wall{Enforced: len(told) > 0, Proof: strings.Join(told, "; ")}
}

func (k *keeper) ownProofs() []audit.Proof {
	out := make([]audit.Proof, len(k.limits))
	for i, p := range k.limits {
		out[i] = audit.Proof{Wall: "supervisor", Layer: "limits", Tried: p.Tried, Got: p.Got}
	}
	return out
}
