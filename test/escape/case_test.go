package escape

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// attackCase is one escape.
type attackCase struct {
	id   string // letter, number and, where there are several, a word
	name string // what is tried
	wall string // network, filesystem, process
	// attack tries it: nil means that it worked.
	attack func(world) error
	// event is what the sandbox's supervisor must be told: "syscall NAME",
	// "tcp ADDRESS:PORT", "udp ADDRESS:PORT", "name ADDRESS"; empty where the
	// kernel alone refuses and tells nobody.
	event string
	// residue says why the case gets through: it is tried all the same, and the
	// day it is refused the threat model must change.
	residue string
	// root marks a control that needs the machine's root: rootless, the kernel
	// itself refuses, inside and outside.
	root bool
}

// world is what an attack knows of its surroundings. Paths are as seen where
// it runs.
type world struct {
	Outside []string // namespaces of the test, in which no attack may run
	Token   string   // what a successful theft reads
	Marker  string   // part of the command line of a process outside
	Secret  string   // file of the host with Token
	Folder  string   // folder of the host, with Secret in it
	Shared  string   // folder that is read-only inside: file, and socket of the host
	Bound   string   // mount point whose source is a folder of the host
	Root    string   // the root folder; outside one that stands for it
	System  string   // a program of the system; outside a copy
	Scratch string   // folder that an attack may write to
	Socket  string   // stream socket of the host, below Folder
	Packets string   // datagram socket of the host, below Folder
	Name    string   // abstract socket of the host
	Segment int      // key of a System V segment of the host
	Memory  string   // file of the host in /dev/shm
	Temp    string   // file of the host in /tmp
	Host    string   // an address of the host's own
}

// needs is an attack that cannot be tried here.
type needs struct{ what string }

func (n needs) Error() string { return "needs " + n.what }

// outcome is what one attack says on its standard output.
type outcome struct {
	Escaped bool   `json:"escaped"`
	Why     string `json:"why,omitempty"`   // the error
	Needs   string `json:"needs,omitempty"` // it could not be tried
}

// The words by which this binary is something else than a test.
const (
	attackWord  = "attack"  // attack CASE WORLD
	controlWord = "control" // control CASE WORLD: PID 1 of a throw-away namespace
	victimWord  = "victim"  // victim MARKER: a process outside, until its stdin ends
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case attackWord:
			// At once: os.Exit would let the race detector wait for a second, in each
			// of a thousand attacks, for what is of no interest.
			unix.Exit(attackDoor(os.Args[2:]))
		case controlWord:
			os.Exit(controlDoor(os.Args[2:]))
		case victimWord:
			os.Stdin.Read(make([]byte, 1))
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// attackDoor runs one attack and says how it went.
func attackDoor(args []string) int {
	if len(args) != 2 {
		return 2
	}
	var w world
	if err := json.Unmarshal([]byte(args[1]), &w); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := refuseBare(w); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	all := cases()
	i := slices.IndexFunc(all, func(c attackCase) bool { return c.id == args[0] })
	if i < 0 {
		fmt.Fprintln(os.Stderr, "no such case:", args[0])
		return 2
	}
	b, err := json.Marshal(judge(all[i].attack(w)))
	if err != nil {
		return 2
	}
	os.Stdout.Write(append(b, '\n'))
	return 0
}

func judge(err error) outcome {
	var n needs
	switch {
	case errors.As(err, &n):
		return outcome{Needs: n.what}
	case err != nil:
		return outcome{Why: err.Error()}
	}
	return outcome{Escaped: true}
}

// bounds are the namespaces that an attack must have of its own.
var bounds = []string{"mnt", "pid", "net"}

// here names the namespaces of this process.
func here() ([]string, error) {
	var out []string
	for _, n := range bounds {
		l, err := os.Readlink("/proc/self/ns/" + n)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// refuseBare keeps attacks off the machine: a probe that mounts over /tmp or
// stops a process of the host is an accident waiting.
func refuseBare(w world) error {
	mine, err := here()
	if err != nil {
		return err
	}
	if len(w.Outside) != len(bounds) {
		return errors.New("attack: the namespaces outside are not named")
	}
	for i, n := range mine {
		if n == w.Outside[i] {
			return fmt.Errorf("attack: this is the %s namespace of the test: refusing to run", bounds[i])
		}
	}
	return nil
}

// read takes the outcome from an attack's output. An attack that was killed is
// refused.
func read(out string, err error) outcome {
	for l := range strings.Lines(out) {
		var o outcome
		if strings.HasPrefix(l, "{") && json.Unmarshal([]byte(l), &o) == nil {
			return o
		}
	}
	if err != nil {
		return outcome{Why: strings.TrimSpace(err.Error() + " " + out)}
	}
	return outcome{Needs: "an answer from the attack; it said: " + out}
}

// cases is the whole table.
func cases() []attackCase {
	return slices.Concat(networkCases(), socketCases(), fileCases(), readOnlyCases(), mountCases(), processCases(), kernelCases(), initCases(), serviceCases())
}

// refusedBy is nil unless e is one of the ways to say no: what is asked here is
// whether a call reached the kernel's own code at all.
func refusedBy(e error) error {
	for _, no := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS} {
		if errors.Is(e, no) {
			return e
		}
	}
	return nil
}
