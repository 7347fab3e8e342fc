// The program inside a sandbox. It is embedded in nemoclaw and run from a
// memory file; nobody starts it by hand.
//
// The Go runtime would look for its CPU limit in the control groups of the
// host at each start; init needs no more than one core.

//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

package main

import (
	"io"
	"os"
	"runtime"

	"github.com/nemoclaw/nemoclaw/internal/confine"
)

// wireFd is where the starter put our end of the wire.
const wireFd = 3

// The first thread is what /proc/1 and kill(1) mean. Locked to it, main keeps
// the agents' Landlock domain away from it, which one other thread enters.
func init() {
	if len(os.Args) < 2 { // the other doors have no such thread, and switching to it takes time
		runtime.LockOSThread()
	}
}

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
	case "hold":
		// Keeps a user namespace alive until its starter has taken hold of it.
		_, _ = io.Copy(io.Discard, os.Stdin)
	default:
		os.Exit(2)
	}
}
