// Package pulse finds out which connections to outside still have another end,
// when this machine has slept. Its peers did not: they gave up on it, or moved,
// or a router between forgot the connection, and TCP itself takes from 2.5 to 15
// minutes to find that out (tcp(7)). A program that waits for such an end waits
// that long.
//
// Each connection is asked by keep-alive probes, which every end answers
// (RFC 9293, 3.8.4), however long it has been silent and whatever it waits for.
// One that answers goes on as it was; one that does not within Patience is told
// of as gone.
//
// Runs in: the supervisor, within its limits: setsockopt(2) and getsockopt(2).
// Reads:   what the kernel knows of a connection (TCP_INFO), no byte of it.
// Touches: the sockets that it is given.
// Fails:   towards patience: what cannot be looked at is left to the kernel.
// Proved by: TestPulse, TestPatience, test/e2e TestConnectionsAfterASleep.
package pulse
