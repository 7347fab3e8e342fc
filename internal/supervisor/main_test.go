package supervisor

import (
	"fmt"
	"os"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/child"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
)

// This program is also a clerk, a supervisor that misbehaves, and its operator.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case clerk.Word:
			end(clerk.Serve(os.NewFile(child.Descriptor, "supervisor"), placeOf(os.Args[2])))
		case rogueWord:
			end(rogue(placeOf(os.Args[2])))
		case askWord:
			end(askStatus(placeOf(os.Args[2])))
		}
	}
	os.Exit(m.Run())
}

func placeOf(name string) state.Sandbox {
	return state.Home{Dir: os.Getenv("NEMOCLAW_HOME")}.Sandbox(state.Name(name))
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
