package filter

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Choice is what an operator may change about the table of one sandbox, and it
// is locked with the rest of the process wall. The zero Choice is the table.
type Choice struct {
	// Allow are refused calls that one program cannot do without.
	Allow []string
	// Audit tells of what is refused in silence, too. It allows nothing more.
	Audit bool
}

// widenable are the refused calls that may be allowed, and what still stands
// between them and harm. All others would undo a wall.
var widenable = map[string]string{
	"ptrace":            "programs of this sandbox can drive each other; PID 1 and the spawner cannot be traced: they are not dumpable, and Landlock keeps PID 1 out of the agents' domain",
	"process_vm_readv":  "as ptrace, which a debugger needs together with it",
	"process_vm_writev": "as ptrace, which a debugger needs together with it",
	"kcmp":              "compares processes of this sandbox",
	"pidfd_getfd":       "takes descriptors of programs of this sandbox",
	"perf_event_open":   "measures its own programs, as far as kernel.perf_event_paranoid lets anybody; a large part of the kernel that had holes",
	"userfaultfd":       "handles its own page faults; exploits of other holes use it",
	"name_to_handle_at": "learns a file's handle; opening by one stays refused",
	"fanotify_init":     "watches its own files",
	"fanotify_mark":     "watches its own files",
	"vmsplice":          "lends its own pages to a pipe",
	"personality":       "may switch off the randomisation of its own memory",
	"syslog":            "reads the kernel's log, as far as kernel.dmesg_restrict lets anybody",
}

// Widenable says what is left of the wall where name is allowed, and whether it
// may be.
func Widenable(name string) (left string, ok bool) {
	left, ok = widenable[name]
	return left, ok
}

// Check says what is wrong with c.
func (c Choice) Check() error {
	if len(c.Allow) == 0 {
		return nil // as nearly always, and making the table takes 0.2 ms
	}
	names := Names()
	for _, name := range c.Allow {
		if !slices.Contains(names, name) {
			return fmt.Errorf("allow system call %q: there is none of that name", name)
		}
		if _, ok := Widenable(name); !ok {
			all := make([]string, 0, len(widenable))
			for n := range widenable {
				all = append(all, n)
			}
			slices.Sort(all)
			return fmt.Errorf("allow system call %s: it would undo a wall; may be allowed: %s", name, strings.Join(all, ", "))
		}
	}
	return nil
}

// Of is the table under c.
func (c Choice) Of(table []Row) []Row {
	out := slices.Clone(table)
	for i, r := range out {
		switch {
		case slices.Contains(c.Allow, r.Name):
			out[i].Action, out[i].Cases, out[i].Why = Allow, nil, "sandbox.yaml allows it: "+widenable[r.Name]
		case c.Audit && (r.Action == Absent || r.Action == denied):
			out[i].Action = Refuse
		}
	}
	return out
}

// CompileFor makes the filter of Table under c.
func CompileFor(c Choice) ([]unix.SockFilter, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	unknown := Absent
	if c.Audit {
		unknown = Refuse
	}
	return compile(c.Of(Table()), unknown)
}

// Answer is the error number with which a notified call is refused: the one
// that the filter itself would have given, were it not for Audit.
func Answer(nr int) unix.Errno {
	r, ok := find(nr)
	if !ok || r.Action == Absent {
		return unix.ENOSYS
	}
	return unix.EPERM
}
