// Package session is connect, exec and copy: an SSH server in front of init,
// and the command line's side of it. A command without a terminal goes a
// shorter way (frame.go): its streams themselves are handed to the operator.
//
// Runs in: Serve and ServeExec in the supervisor; Shell, Exec and ExecHere in
// the command line.
// Reads:   what the operator's SSH client says; and what the sandbox prints, which is hostile.
// Touches: nothing of the host. Programs run and connections are made by a Box, inside.
// Fails:   closed. What is not named here is refused: agent and X11 forwarding,
// remote forwarding, stream-local, connections to anything but the sandbox's loopback.
// Proved by: TestExec, TestRefusals, TestNoCommandIsHandedOver, TestAClientThatLeaves, TestAPauseIsTold, TestScreenLaws, FuzzScreen.
//
// The connection has been authenticated by the control socket's peer
// credentials before Serve sees it, so SSH asks for no key of the operator's.
// Exec sends its argument list as it is, by a request of our own
// (exec@nemoclaw): no shell sees it. Other clients' exec goes through sh -c,
// as ssh, scp and rsync expect.
package session
