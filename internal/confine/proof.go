package confine

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// proofTime bounds each step of the proof; all of it takes milliseconds.
const proofTime = 10 * time.Second

// prove starts the prover, judges its report, and returns what was refused. An
// error names the first wall that did not hold.
func (in *inside) prove(s spec.Spec) ([]spec.Proof, error) {
	if !s.Landlock.Off {
		if err := canaryLives(); err != nil {
			return nil, &failure{spec.FilesystemWall, err}
		}
	}
	r, err := in.report()
	if err != nil {
		return nil, &failure{spec.ProcessWall, fmt.Errorf("prove walls: %w", err)}
	}
	proofs := in.expected(s, r.Proofs)
	if !s.Network.CaptureOff {
		for _, c := range r.Connects {
			if p, ok := in.arrived(c); ok {
				proofs = append(proofs, p)
			}
		}
	}
	if err := in.complete(s, proofs); err != nil {
		return nil, err
	}
	for _, p := range proofs {
		if !p.Refused {
			return nil, &failure{p.Wall, fmt.Errorf("%s does not hold: %s: %s", p.Layer, p.Tried, p.Got)}
		}
	}
	return proofs, nil
}

// report starts the prover and reads what its attempts came to. It waits then,
// to become the first command.
func (in *inside) report() (report, error) {
	p, err := in.nursery.startProver(in.prover)
	if err != nil {
		return report{}, err
	}
	if err := told(p.fd); err != nil {
		return report{}, err
	}
	return in.prover.attempts.report(), nil
}

// told waits for the prover's word.
func told(fd int) error {
	if err := wait(fd, proofTime); err != nil {
		return err
	}
	for {
		n, err := unix.Read(fd, make([]byte, 1))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return errors.New("the prover ended before it had tried everything")
		default:
			return nil
		}
	}
}

// wait waits until fd can be read.
func wait(fd int, limit time.Duration) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(limit.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		default:
			return nil
		}
	}
}

// expected are the proofs of the layers that should stand.
func (in *inside) expected(s spec.Spec, all []spec.Proof) []spec.Proof {
	var out []spec.Proof
	for _, p := range all {
		switch {
		case p.Layer == layerLandlock && s.Landlock.Off:
		case p.Layer == layerLandlock && p.Wall == spec.ProcessWall && in.abi < scopesSince:
		case p.Layer == layerSeccomp && s.Seccomp.Off:
		case p.Layer == layerCapture && s.Network.CaptureOff:
		default:
			out = append(out, p)
		}
	}
	return out
}

// complete holds that every layer that should stand was tried: silence proves
// nothing.
func (in *inside) complete(s spec.Spec, proofs []spec.Proof) error {
	for _, want := range []struct {
		wall  spec.Wall
		layer string
		on    bool
	}{
		{spec.FilesystemWall, layerMounts, true},
		{spec.FilesystemWall, layerLandlock, !s.Landlock.Off},
		{spec.ProcessWall, layerCapabilities, true},
		{spec.ProcessWall, layerSeccomp, !s.Seccomp.Off},
		{spec.ProcessWall, layerDescriptors, true},
		{spec.ProcessWall, layerNamespaces, true},
		{spec.NetworkWall, layerInterfaces, true},
		{spec.NetworkWall, layerCapture, !s.Network.CaptureOff},
		{spec.InferenceWall, layerRouter, !s.Network.CaptureOff && len(s.Network.Routers) > 0},
	} {
		tried := slices.ContainsFunc(proofs, func(p spec.Proof) bool { return p.Wall == want.wall && p.Layer == want.layer })
		if want.on && !tried {
			return &failure{want.wall, fmt.Errorf("%s was not tried", want.layer)}
		}
	}
	return nil
}

// arrived looks whether c ended in the socket of ours that it must, and
// nowhere else: that socket's next connection has exactly its two addresses.
func (in *inside) arrived(c connect) (spec.Proof, bool) {
	p := spec.Proof{Wall: spec.NetworkWall, Layer: layerCapture, Tried: "connect " + c.To.String()}
	use, at := spec.Capture4, netip.AddrPortFrom(netip.IPv4Unspecified(), in.gate)
	switch {
	case c.To.Addr().IsLoopback():
		p.Wall, p.Layer = spec.InferenceWall, layerRouter
		use, at = spec.Router, c.To
	case c.To.Addr().Is6():
		use, at = spec.Capture6, netip.AddrPortFrom(netip.IPv6Unspecified(), in.gate)
	}
	fd, ok := in.sockets.of(use, at)
	if !ok {
		// This kernel has no IPv6, so there was no socket to connect with.
		return p, false
	}
	if c.Error != "" {
		p.Got = c.Error
		return p, true
	}
	local, remote, err := accept(fd)
	switch {
	case err != nil:
		p.Got = "answered by someone else"
	case local != c.To || remote != c.From:
		p.Got = fmt.Sprintf("our socket got %v → %v instead", remote, local)
	default:
		p.Got, p.Refused = "answered by the gate alone", true
		if use == spec.Router {
			p.Got = "answered by the router alone"
		}
	}
	return p, true
}

// accept takes the connection that is waiting at fd and closes it again.
func accept(fd int) (local, remote netip.AddrPort, err error) {
	if err := wait(fd, time.Second); err != nil {
		return local, remote, err
	}
	c, from, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		return local, remote, err
	}
	defer unix.Close(c)
	to, err := unix.Getsockname(c)
	if err != nil {
		return local, remote, err
	}
	return addrPort(to), addrPort(from), nil
}
