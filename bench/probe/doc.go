// Command probe is both ends of the bench's connections, and the plain proxy
// between them that the gate is compared with.
//
//	probe serve            an echo, a source and a sink; prints their three addresses
//	probe proxy A B C      a plain TCP proxy to each; prints the addresses to use instead
//	probe model            a model server of OpenAI's chat; prints its address
//	probe reverse A        the standard library's reverse proxy to it; prints its address
//	probe secure F         a server of HTTP by TLS, its authority in F; prints its address
//	probe secure-reverse A F   the standard library's reverse proxy to it; prints its address
//	probe ask              a client: a line of JSON in, a line of JSON out
//	probe calls            what system calls cost here, as JSON
//	probe nothing          ends at once
//
// Runs in: processes of the bench's own; ask also inside a sandbox.
// Reads:   its standard input, its own connections.
// Touches: the loopback.
// Fails:   with exit code 1; a client's failed request is an answer.
// Proved by: the bench.
package main
