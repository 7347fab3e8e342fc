// Package wire carries messages and descriptors between supervisor, init and
// spawner: one packet a message, over one SOCK_SEQPACKET socket.
//
// Runs in: supervisor, init and spawner.
// Reads:   packets of the other side, which may be hostile: a packet that is
// cut, or has too many bytes, is an error.
// Touches: the socket it was given, and memory files for what exceeds a packet.
// Fails:   with an error; a Conn that failed once is to be closed.
// Proved by: TestPacketsAndDescriptors, TestLargeMessage, FuzzDecodeMessage of spec.
package wire
