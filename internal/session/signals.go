package session

import (
	"os"
	"os/signal"
	"syscall"
)

// Passed are the signals that mean the program, not the command line in front
// of it, as long as it runs.
var Passed = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}

// passSignals sends every signal that this process gets on to the program,
// until stop is called. A terminal's keys need it not: they are bytes.
func passSignals(to func(syscall.Signal)) (stop func()) {
	got := make(chan os.Signal, 16)
	signal.Notify(got, Passed...)
	done := make(chan struct{})
	go passOn(got, done, to)
	return func() {
		signal.Stop(got)
		close(done)
	}
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
