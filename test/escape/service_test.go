package escape

import (
	"net"

	"golang.org/x/sys/unix"
)

// serviceCases talk to services and memory of the host.
func serviceCases() []attackCase {
	out := []attackCase{
		{id: "E94", name: "a socket file of the host", attack: func(w world) error { return connects(w.Socket, w) }},
		{id: "E94 proc", name: "the same, through PID 1's root", attack: func(w world) error { return connects("/proc/1/root"+w.Socket, w) }},
		{id: "E95", name: "an abstract socket of the host", attack: func(w world) error { return connects("@"+w.Name, w) }},
		{id: "E96", name: "a datagram to a socket of the host", attack: func(w world) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, []byte(hello), 0, &unix.SockaddrUnix{Name: w.Packets})
		}},
		{id: "E97", name: "shared memory of the host", attack: func(w world) error {
			got, err := segment(w.Segment, len(w.Token))
			if err != nil {
				return err
			}
			return loot([]byte(got), w.Token)
		}},
	}
	return inWall(out, "filesystem")
}

// connects asks a Unix socket for the token.
func connects(path string, w world) error {
	c, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	return asks(c, w.Token)
}
