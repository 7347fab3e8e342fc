package session

import (
	"os"
	"os/signal"
	"syscall"
)

// Passed are the signals that mean the program, not the command line in front
// of it, as long as it runs.
var Passed = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}

// hearSignals takes every signal that this process gets, for the program, until
// deaf is called. A terminal's keys come another way: they are bytes.
func hearSignals() (got <-chan os.Signal, deaf func()) {
	heard := make(chan os.Signal, 16)
	signal.Notify(heard, Passed...)
	return heard, func() { signal.Stop(heard) }
}

func passOn(got <-chan os.Signal, done <-chan struct{}, to func(syscall.Signal)) {
	for {
		select {
		case <-done:
			return
		case s := <-got:
			to(s.(syscall.Signal))
		}
	}
}
