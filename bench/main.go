package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// longest is how long the whole may take.
const longest = 8 * time.Minute

// chapter is one part of the report. run gives its rows; with an error, those
// that it has.
type chapter struct {
	name string
	run  func(context.Context, *ground) ([]row, error)
}

// chapters in the order in which they run: memory comes before what makes a
// supervisor work hard.
var chapters = []chapter{
	{"onboard", measureOnboard},
	{"memory", measureMemory},
	{"calls", measureCalls},
	{"work", measureWork},
	{"start", measureStart},
	{"gate", measureGate},
	{"requests", measureRequests},
	{"router", measureRouter},
	{"verdict", measureVerdict},
	{"policy", measurePolicy},
	{"approvals", measureApprovals},
	{"audit", measureBook},
	{"blueprint", measureBlueprint},
	{"openclaw", measureOpenclaw},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == bareWord { // a process of our own
		if err := bareRouter(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	write := flag.Bool("write", false, "put the table into docs/benchmarks.md")
	program := flag.String("program", "", "the nemoclaw to measure (default bin/nemoclaw)")
	only := flag.String("only", "", "chapters, by comma: "+names())
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, *program, *only, *write); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, only string, write bool) (err error) {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	g, err := newGround(ctx, program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.clear()) }()
	rep := report{machine: lookAtMachine(), began: time.Now(), only: only}
	for _, c := range chosen {
		say("%s …", c.name)
		rows, err := c.run(ctx, g)
		err = errors.Join(err, g.end())
		rep.rows = append(rep.rows, rows...)
		if err != nil {
			rep.missing = append(rep.missing, absent{c.name, err.Error()})
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	rep.missing = append(rep.missing, g.missing...)
	rep.machine.loadAfter = load()
	rep.took = time.Since(rep.began)
	rep.print(os.Stdout)
	if !write {
		return nil
	}
	return rep.writePage(g.root)
}

func choose(only string) ([]chapter, error) {
	if only == "" {
		return chapters, nil
	}
	wanted := strings.Split(only, ",")
	for _, w := range wanted {
		if !slices.ContainsFunc(chapters, func(c chapter) bool { return c.name == w }) {
			return nil, fmt.Errorf("no chapter %q; there are %s", w, names())
		}
	}
	return slices.DeleteFunc(slices.Clone(chapters), func(c chapter) bool { return !slices.Contains(wanted, c.name) }), nil
}

func names() string {
	var all []string
	for _, c := range chapters {
		all = append(all, c.name)
	}
	return strings.Join(all, ",")
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "· "+format+"\n", args...) }
