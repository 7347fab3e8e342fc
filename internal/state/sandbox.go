package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Sandbox is the place of one sandbox. All its methods but the writing ones
// may be called whether or not it exists.
type Sandbox struct {
	home  Home
	name  Name
	trial bool // the place beside it where a new generation is tried
}

func (s Sandbox) in(path ...string) string {
	dir := filepath.Join(s.home.Dir, string(s.name))
	if s.trial {
		dir = filepath.Join(dir, trialName)
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

// Name is its name.
func (s Sandbox) Name() Name { return s.name }

// Home is where it lies.
func (s Sandbox) Home() Home { return s.home }

// Dir is its folder.
func (s Sandbox) Dir() string { return s.in() }

// Settings is sandbox.yaml.
func (s Sandbox) Settings() string { return s.in("sandbox.yaml") }

// PolicyFile is the network policy.
func (s Sandbox) PolicyFile() string { return s.in("network-policy.yaml") }

// InferenceFile is the inference policy.
func (s Sandbox) InferenceFile() string { return s.in("inference.yaml") }

// LearnFile is there while `policy learn` records: where it began in the book.
func (s Sandbox) LearnFile() string { return s.in("learn.json") }

// LearnedFile is the policy that was learned last, for review; never in force.
func (s Sandbox) LearnedFile() string { return s.in("learned-policy.yaml") }

// PolicyNotes is POLICY.md, bound read-only into the sandbox.
func (s Sandbox) PolicyNotes() string { return s.in("POLICY.md") }

// Workspace is the sandbox's /sandbox. No host process opens anything below it
// by path once the sandbox has lived: the agent can put a link there.
func (s Sandbox) Workspace() string { return s.in("workspace") }

// Snapshots holds copies of the workspace; nothing inside can reach them.
func (s Sandbox) Snapshots() string { return s.in("snapshots") }

// AuditDir holds the book.
func (s Sandbox) AuditDir() string { return s.in("audit") }

// Anchor is the book's anchor, outside the sandbox's folder.
func (s Sandbox) Anchor() string {
	name := string(s.name)
	if s.trial {
		name += "." + trialName // no sandbox's name has a dot
	}
	return filepath.Join(s.home.Anchors(), name)
}

// forgetAnchor removes the anchor, and the record of what was pruned beside it.
func (s Sandbox) forgetAnchor() error {
	for _, f := range []string{s.Anchor(), s.Anchor() + ".base"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// HostKeyFile is the private SSH host key of its connect, exec and copy sessions.
func (s Sandbox) HostKeyFile() string { return s.in("host_key") }

// AuthorityFile is its certificate authority's certificate and key. The key is
// never inside.
func (s Sandbox) AuthorityFile() string { return s.in("authority.pem") }

// TrustDir is what its programs trust, bound read-only into the sandbox.
func (s Sandbox) TrustDir() string { return s.in("trust") }

// RunDir holds what a running supervisor needs.
func (s Sandbox) RunDir() string { return s.in("run") }

// ControlSocket is the supervisor's socket. The path may be longer than a
// socket address: control.Listen and control.Dial go through its folder.
func (s Sandbox) ControlSocket() string { return s.in("run", "control.sock") }

// LockFile is held by the supervisor as long as it lives.
func (s Sandbox) LockFile() string { return s.in("run", "lock") }

// PendingFile keeps the questions to the operator across a restart.
func (s Sandbox) PendingFile() string { return s.in("run", "approvals.json") }

// SupervisorLog is what the supervisor says.
func (s Sandbox) SupervisorLog() string { return s.in("run", "supervisor.log") }

// AgentLog is the agent's output.
func (s Sandbox) AgentLog() string { return s.in("run", "agent.log") }

// InferenceLog is bound read-only to /sandbox/.openclaw/inference.log.
func (s Sandbox) InferenceLog() string { return s.in("inference.log") }

// Exists says whether a sandbox of that name was created.
func (s Sandbox) Exists() bool {
	info, err := os.Lstat(s.Settings())
	return err == nil && info.Mode().IsRegular()
}

// taken says whether anything at all lies at its place.
func (s Sandbox) taken() bool {
	_, err := os.Lstat(s.Dir())
	return err == nil
}

// NotFound means that no sandbox has the name.
type NotFound struct{ Name Name }

func (e *NotFound) Error() string { return fmt.Sprintf("no sandbox named %q", string(e.Name)) }

// Hint says how to see those that exist.
func (e *NotFound) Hint() string {
	return "nemoclaw list, or nemoclaw onboard --name " + string(e.Name)
}

// Taken means that the name is in use.
type Taken struct{ Name, Free Name }

func (e *Taken) Error() string { return fmt.Sprintf("a sandbox named %q exists", string(e.Name)) }

// Hint is a name that is free.
func (e *Taken) Hint() string { return "try " + string(e.Free) }

// Wanted says whether the operator wants it to run; `start --all` obeys it.
func (s Sandbox) Wanted() bool {
	_, err := os.Lstat(s.in("wanted"))
	return err == nil
}

// SetWanted writes down, durably, whether it should run.
func (s Sandbox) SetWanted(run bool) error {
	if run {
		return WriteDurable(s.in("wanted"), []byte("running\n"), 0o600)
	}
	if err := os.Remove(s.in("wanted")); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write wanted state: %w", err)
	}
	return syncDir(s.Dir())
}
