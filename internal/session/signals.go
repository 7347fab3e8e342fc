package session

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// passed are the signals that mean the program, not the command line in front
// of it, as long as it runs.
var passed = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}

// passSignals sends every signal that this process gets on to the program,
// until stop is called. A terminal's keys need it not: they are bytes.
func passSignals(ch ssh.Channel) (stop func()) {
	got := make(chan os.Signal, 16)
	signal.Notify(got, passed...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-got:
				name := signalName(s.(syscall.Signal))
				_, _ = ch.SendRequest("signal", false, ssh.Marshal(signalRequest{name})) // a program that has ended needs none
			}
		}
	}()
	return func() {
		signal.Stop(got)
		close(done)
	}
}
