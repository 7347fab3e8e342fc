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

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: probe serve | proxy ADDRESS … | model | reverse ADDRESS | secure FILE | secure-reverse ADDRESS FILE | ask | calls | nothing")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve()
	case "proxy":
		err = proxy(os.Args[2:])
	case "model":
		err = model()
	case "reverse":
		err = reverse(os.Args[2])
	case "secure":
		err = secure(os.Args[2])
	case "secure-reverse":
		err = secureReverse(os.Args[2], os.Args[3])
	case "ask":
		err = ask()
	case "calls":
		err = price()
	case "nothing":
	default:
		err = fmt.Errorf("no verb %q", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
