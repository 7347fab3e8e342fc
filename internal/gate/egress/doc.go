// Package egress is the network gate: every connection that the agent opens
// ends here, and the gate opens another one, or none.
//
//	accept ─> where to? ─> policy ─> (operator) ─> what flows? ─> look up ─> check address ─> dial ─> splice
//	             │
//	             └ names: the gate is the sandbox's resolver, and made up the address
//
// Runs in: the supervisor, outside the walls; needs no disk and starts nothing.
// Reads:   hostile bytes (DNS questions, TLS hellos, HTTP requests, packet
// headers), and the policy.
// Touches: the network, and only after a verdict: no name is looked up and
// nothing is dialled before the policy, or the operator, has allowed it.
// Fails:   closed. No policy, no book, no verdict, a panic: a reset and an
// event. A refusal after accept is always a reset, never an end of file that
// would read as an empty answer; only HTTP on port 80 gets a 403 that says why.
// Proved by: FuzzRequest, the tests of this package, against a real capture namespace and
// the test internet; FuzzHello, FuzzNames, FuzzHTTP; test/escape.
//
// # Names
//
// Each name that a program asks for gets a synthetic IPv4 address in
// 198.18.0.0/15 and a synthetic IPv6 address in a unique-local prefix of this
// sandbox, without anybody being asked; neither is ever given to another name.
// On connect the address tells the name, and the policy judges the name. AAAA
// has an answer only where the gate serves an IPv6 listener.
//
// Where the host's network is left by a company's proxy (Config.Upstream), the
// proxy resolves names, and is asked for a tunnel after the verdict.
//
// # What flows
//
// To a name, on ports 80 and 443 the first bytes must be HTTP or TLS. On other
// ports bytes that begin like HTTP or TLS are checked and others pass, and a
// server that speaks first is not kept waiting. The SNI of a TLS hello and the
// Host of every HTTP/1 request must be the name. A literal address is judged
// as an address alone: what the bytes call it gives it no name.
//
// An encrypted ClientHello (RFC 9849) is refused. Its outer SNI proves
// nothing: at a server for many sites the hidden name may be any of them, and
// that is a way out to anybody who rents a site there. What browsers send as
// GREASE is made to look the same and is refused too; nothing can tell them
// apart from outside. An honest program needs neither, since the gate gives
// out no HTTPS records (which carry the keys); browsers are told to leave it
// out by their managed policy (EncryptedClientHelloEnabled: false in Chromium,
// DisableEncryptedClientHello and security.tls.ech.grease_probability: 0 in
// Firefox). curl, Node, Python, Go, git and npm send none.
//
// HTTP/2 without TLS is refused, since its requests cannot be read with the
// HTTP/1 rules. After the hello TLS is opaque, but for rules with http: which
// Host an encrypted request names is not seen (the threat model names that
// residue).
//
// # Requests
//
// Under a rule with http (Verdict.Reads) TLS ends at the gate, by the sandbox's
// own authority, and begins anew to the server, whose certificate is verified by
// the host's roots. Each HTTP/1.1 or HTTP/2 request is judged by method and path
// (policy.ParsePath, policy.DecideHTTP), written anew by net/http, which leaves
// nothing of how it was framed, and sent by connections that belong to this one
// connection of the program, to the one address that was judged. What is refused
// is answered (403, 400, 421) with a Refusal. A rule's credential is added last.
// Bodies, event streams, trailers and WebSockets pass as they come.
//
// # Roads
//
// One thread accepts all connections (loop). What the policy allows whoever
// asks, to the host's loopback, on a port where the program need not speak
// first, stays on that thread while little is said (quick): the quick road
// changes no verdict, no event and no bound. All else is a flow, in goroutines
// of its own, from the beginning or from where that becomes clear.
//
// On both roads nothing from outside reaches the program before it is known who
// it is, or half a second has passed: while it waits for an answer it holds its
// socket, and afterwards nobody could tell any more whose it was.
//
// # Concurrency
//
// Every exported method may be called from any goroutine. The functions of
// Config are called from many at once.
package egress
