// Package launch starts a sandbox and speaks with its PID 1: it is the outside
// of package confine.
//
// Runs in: the supervisor, and a throw-away run's command line.
// Reads:   what PID 1 says, which may be hostile once an agent has run.
// Touches: makes processes, namespaces and, as root, detached mounts; opens no
// file of the workspace.
// Fails:   closed. Start returns a Box whose every wall was proved, or an
// error that names the wall, and nothing is left running.
// Proved by: the tests of this package, which start real sandboxes as root and
// as an unprivileged user.
//
// The sandbox lasts as long as its Box: PID 1 is killed with the thread that
// started it, and ends itself when the wire does.
package launch
