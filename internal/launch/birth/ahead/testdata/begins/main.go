// A program that begins as nemoclaw does, and says what was begun ahead: where a
// process waits, its number, its processors and the signals kept from it; then
// what is kept from this one, which processors it has, and how many descriptors
// are open in it, and where standard error leads. It ends when its input does.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/launch/birth/ahead"
)

func main() {
	switch p := ahead.Begun(); {
	case p == nil:
		fmt.Println("nothing")
	case !p.Born():
		fmt.Println("failed")
	default:
		fmt.Println(p.PID, of(p.PID, "Cpus_allowed:"), of(p.PID, "SigBlk:"))
	}
	fds, err := os.ReadDir("/proc/self/fd")
	second, linked := os.Readlink("/proc/self/fd/2")
	fmt.Println(of(os.Getpid(), "Cpus_allowed:"), of(os.Getpid(), "SigBlk:"), len(fds), second, err, linked)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// of is what the kernel says of a process's first thread.
func of(pid int, what string) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(b), what)
	if err != nil {
		return err.Error()
	}
	return strings.Fields(after)[0]
}
