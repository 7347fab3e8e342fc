package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// How many events a turn: of the book, and of a file that is synced after each.
const (
	bookEvents = 20000
	fileEvents = 200
	bookTurns  = 5
	acts       = 200
)

var verdict = audit.Event{
	Kind: audit.Network, Wall: "network", Verdict: "allow", Program: "/usr/bin/curl", PID: 4711,
	Target: "api.example.com:443", Rule: `host "api.example.com" (line 3)`, Why: "allowed by the policy",
}

// measureBook writes verdicts as the gates do, and waits until all are durable.
func measureBook(ctx context.Context, g *ground) ([]row, error) {
	book, err := audit.Open(filepath.Join(g.dir, "book"), filepath.Join(g.dir, "anchors", "book"))
	if err != nil {
		return nil, err
	}
	defer book.Close()
	plain, err := os.Create(filepath.Join(g.dir, "plain.jsonl"))
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	var ours, theirs sample
	for range bookTurns {
		began := time.Now()
		for range bookEvents - 1 {
			book.Append(verdict)
		}
		if err := book.Sync(ctx, verdict); err != nil {
			return nil, err
		}
		ours = append(ours, time.Since(began)/bookEvents)
		began = time.Now()
		for range fileEvents {
			if err := lineAndSync(plain); err != nil {
				return nil, err
			}
		}
		theirs = append(theirs, time.Since(began)/fileEvents)
	}
	each, err := eachAct(ctx, book)
	if err != nil {
		return nil, err
	}
	return []row{
		faster("audit: events per second, durable", perSecond(ours), "a JSON line and an fdatasync for each", perSecond(theirs), 0, "/s"),
		beside("audit: one act of the operator, durable, p50", each.median(), "a JSON line and an fdatasync", theirs.median(), 0),
		within("audit: one act of the operator, durable, p99", each.p99(), 0),
	}, nil
}

// eachAct waits for every event, as an approval does.
func eachAct(ctx context.Context, book *audit.Book) (sample, error) {
	var s sample
	for range acts {
		began := time.Now()
		if err := book.Sync(ctx, verdict); err != nil {
			return nil, err
		}
		s = append(s, time.Since(began))
	}
	return s, nil
}

func lineAndSync(f *os.File) error {
	if err := json.NewEncoder(f).Encode(verdict); err != nil {
		return err
	}
	return unix.Fdatasync(int(f.Fd()))
}

func perSecond(s sample) float64 { return float64(time.Second) / float64(max(s.median(), 1)) }
