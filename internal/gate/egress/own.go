package egress

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// ownAddrs are the addresses of the host's interfaces. The kernel says on a
// socket when they change, so that looking costs one empty read and is as fresh
// as asking.
type ownAddrs struct {
	mu    sync.Mutex
	news  int          // a netlink socket that hears of changes; -1: none, ask each time
	known bool         // guarded by mu
	addrs []netip.Addr // guarded by mu; never changed, only replaced
}

func newOwnAddrs() *ownAddrs {
	o := &ownAddrs{news: -1}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return o
	}
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return o
	}
	o.news = fd
	return o
}

// now are the addresses at this moment. Where the kernel does not tell, none
// are known; loopback and private ones are refused all the same.
func (o *ownAddrs) now() []netip.Addr {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed() || !o.known {
		o.addrs, o.known = interfaceAddrs()
	}
	return o.addrs
}

// changed reads the news away. It is called before the addresses are, so that
// a change in between is heard of the next time.
func (o *ownAddrs) changed() (changed bool) {
	if o.news < 0 {
		return true
	}
	for b := make([]byte, 512); ; {
		_, _, err := unix.Recvfrom(o.news, b, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return changed
		case err == nil, errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS): // the last: there was more than it could keep
			changed = true
		default:
			return true
		}
	}
}

func (o *ownAddrs) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.news >= 0 {
		unix.Close(o.news)
	}
	o.news = -1
}

func interfaceAddrs() (own []netip.Addr, known bool) {
	all, err := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, addr.Unmap())
			}
		}
	}
	return own, err == nil
}
