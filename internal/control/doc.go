// Package control is the wire between the operator and one supervisor: HTTP
// and JSON on a Unix socket, one API for the command line, the views and curl.
//
// Runs in: Serve in the supervisor; Client in the command line and the views.
// Reads:   requests of peers that SO_PEERCRED shows to be the supervisor's own user or root.
// Touches: the socket file, mode 0600; everything else through the Sandbox interface.
// Fails:   closed. A peer of another user, or from inside a sandbox, is told so and cut off.
// Proved by: TestAnotherUserIsRefused, TestPeerFromANestedNamespaceIsRefused, TestEveryRoute.
//
//	curl --unix-socket ~/.nemoclaw/NAME/run/control.sock http://x/v1/status
//
// A rootless sandbox's agent has the operator's own uid outside, so the uid
// alone does not keep it away: the filesystem wall does, and a second look at
// the peer's pid namespace (peer.go).
package control
