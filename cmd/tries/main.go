// Command nemoclaw-tries tries, inside a sandbox, what must be refused there,
// and says what it met. It is embedded in nemoclaw and handed in as a sealed
// memory file. It has no power to lose: whatever it could do, every agent can.

//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/tries"
)

func main() {
	// What it says is for the supervisor alone: an agent of the same user could
	// else write into its output.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		os.Exit(1)
	}
	var err error
	switch {
	case len(os.Args) == 1:
		err = tries.Run(os.Stdout)
	case len(os.Args) == 2 && os.Args[1] == "outside":
		err = tries.Outside(os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "one":
		os.Exit(tries.One(os.Args[2]))
	default:
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
