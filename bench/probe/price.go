package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// callsATurn is how often each call is made in one turn; the fastest of turns
// is the answer, since everything else on the machine only adds to it.
const (
	callsATurn = 2000
	callTurns  = 25
)

// price measures what system calls cost here, and prints nanoseconds a call, by
// name.
func price() error {
	dir, err := os.MkdirTemp("/tmp", "probe")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
		return err
	}
	file, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	buf := make([]byte, 64)
	out := map[string]float64{}
	for name, c := range map[string]struct {
		times int
		do    func() error
	}{
		"getppid":    {callsATurn, func() error { unix.Getppid(); return nil }},
		"read":       {callsATurn, func() error { _, err := unix.Pread(file, buf, 0); return err }},
		"stat":       {callsATurn, func() error { var st unix.Stat_t; return unix.Stat(path, &st) }},
		"open+close": {callsATurn, func() error { return openClose(path) }},
		"connect":    {callsATurn / 20, func() error { return connectClose(to) }},
	} {
		if out[name], err = fastest(c.times, c.do); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func fastest(times int, do func() error) (float64, error) {
	best := 0.
	for range callTurns {
		begun := time.Now()
		for range times {
			if err := do(); err != nil {
				return 0, err
			}
		}
		if each := float64(time.Since(begun).Nanoseconds()) / float64(times); best == 0 || each < best {
			best = each
		}
	}
	return best, nil
}

func openClose(name string) error {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func connectClose(to unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, to)
}
