package main

import (
	"io"
	"net"
	"sync"
)

// proxy is the plain proxy that anyone would write: accept, dial, copy both
// ways with half-close. It asks nobody and writes nothing down.
func proxy(targets []string) error {
	var serves []func(*net.TCPConn)
	for _, t := range targets {
		serves = append(serves, func(in *net.TCPConn) {
			c, err := net.Dial("tcp4", t)
			if err != nil {
				return
			}
			defer c.Close()
			join(in, c.(*net.TCPConn))
		})
	}
	return offer(serves...)
}

func join(in, out *net.TCPConn) {
	var back sync.WaitGroup
	back.Go(func() { oneWay(in, out) })
	oneWay(out, in)
	back.Wait()
}

// oneWay copies until from ends; a failure of either end is the end of both.
func oneWay(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	_ = to.CloseWrite() // fails only where the end has gone
}
