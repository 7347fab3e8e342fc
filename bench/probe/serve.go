package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

// serve offers what a client is measured against, until its standard input
// ends.
func serve() error {
	return offer(echo, source, sink)
}

// offer listens once for each of serves, prints the addresses, and waits for
// the end of standard input.
func offer(serves ...func(*net.TCPConn)) error {
	for _, f := range serves {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		defer l.Close()
		go accept(l, f)
		fmt.Println(l.Addr())
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func accept(l *net.TCPListener, f func(*net.TCPConn)) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			f(c)
		}()
	}
}

// echo sends back what it gets.
func echo(c *net.TCPConn) {
	b := make([]byte, 64)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// block is how much the source and the clients write at once.
const block = 128 << 10

// source sends without end, once it has been sent a byte.
func source(c *net.TCPConn) {
	b := make([]byte, block)
	if _, err := c.Read(b[:1]); err != nil {
		return
	}
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// sink takes all that comes, and then says so with one byte.
func sink(c *net.TCPConn) {
	b := make([]byte, block)
	for {
		if _, err := c.Read(b); err == io.EOF {
			_, _ = c.Write(b[:1]) // a client that has gone needs no answer
			return
		} else if err != nil {
			return
		}
	}
}
