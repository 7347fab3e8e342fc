// The program inside a sandbox. It is embedded in nemoclaw and run from a
// memory file; nobody starts it by hand.
package main

import (
	"io"
	"os"

	"github.com/nemoclaw/nemoclaw/internal/confine"
)

// wireFd is where the starter put our end of the wire.
const wireFd = 3

func main() {
	door := ""
	if len(os.Args) > 1 {
		door = os.Args[1]
	}
	switch door {
	case "":
		confine.Main(wireFd)
	case "spawner":
		confine.Spawn(wireFd)
	case "prove":
		confine.Prove(os.Args[2:])
	case "hold":
		// Keeps a user namespace alive until its starter has taken hold of it.
		_, _ = io.Copy(io.Discard, os.Stdin)
	default:
		os.Exit(2)
	}
}
