package policy

import "net/netip"

// routerPort is the one of Ollama, which agents call without being told.
const routerPort = 11434

// IsRouter says whether a destination is the inference router, which the gate
// serves before it asks for a verdict: 127.0.0.1:11434 and [::1]:11434, every
// name of the host's loopback with that port (else a rule for Ollama on the
// host would be a way around the router), and inference.local on 80 and, with a
// certificate of the sandbox's own authority, on 443.
// It needs no egress rule; Denies speaks of it all the same.
func IsRouter(h Host, a netip.Addr, p Port) bool {
	switch {
	case h == "inference.local":
		return p == 80 || p == 443
	case p != routerPort:
		return false
	case h != "":
		return h.isLoopback()
	}
	return a == hostLoopback || a == netip.IPv6Loopback()
}
