package control

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a connection, as the kernel says.
type peer struct {
	PID int
	UID uint32
	// Refused says why the peer may not speak to us, as it was when it
	// connected; empty when it may.
	Refused string
}

func peerOf(conn net.Conn) (peer, error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return peer{}, fmt.Errorf("look at peer: %T: want a Unix connection", conn)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, fmt.Errorf("look at peer: %w", err)
	}
	var cred *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, sockErr); err != nil {
		return peer{}, fmt.Errorf("look at peer: %w", err)
	}
	return peer{PID: int(cred.Pid), UID: cred.Uid}, nil
}

// refused says why p may not speak to us; empty when it may.
func (p peer) refused() string {
	if me := os.Geteuid(); p.UID != 0 && p.UID != uint32(me) {
		return fmt.Sprintf("uid %d may not control a sandbox of uid %d", p.UID, me)
	}
	return nested(p.PID, "/proc")
}

// nested says why pid may not speak to us when it lives in a pid namespace
// below ours, as every process of a sandbox does. It is the second lock beside
// the filesystem wall: a rootless agent has our own uid. Where /proc hides
// other processes (hidepid, or a Landlock domain), nothing can be seen and the
// first lock must do; where it does not, a peer that cannot be seen has left a
// socket to somebody else and is refused.
func nested(pid int, proc string) string {
	status, err := os.ReadFile(fmt.Sprintf("%s/%d/status", proc, pid))
	if err != nil {
		if _, err := os.ReadFile(proc + "/1/status"); err != nil {
			return ""
		}
		return fmt.Sprintf("process %d has gone", pid)
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		// NSpid lists the process's id in each namespace from ours down (proc_pid_status(5)).
		ids, found := strings.CutPrefix(lines.Text(), "NSpid:")
		if found && len(strings.Fields(ids)) > 1 {
			return fmt.Sprintf("process %d is inside a sandbox", pid)
		}
	}
	return ""
}

type peerKey struct{}

// withPeer keeps who is at the other end of conn with every request on it.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	p, err := peerOf(conn)
	if err != nil {
		return ctx // guard refuses a request without a peer
	}
	p.Refused = p.refused()
	return context.WithValue(ctx, peerKey{}, p)
}

// guard lets only requests of peers that may speak to us reach h. The others
// are told so, and hung up on.
func guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, known := r.Context().Value(peerKey{}).(peer)
		if !known {
			p.Refused = "the peer is unknown"
		}
		if p.Refused != "" {
			w.Header().Set("Connection", "close")
			refuse(w, http.StatusForbidden, errors.New(p.Refused))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// By names the operator who sent the request of ctx, for the book: "me (uid
// 1000)"; empty outside of a request.
func By(ctx context.Context) string {
	p, ok := ctx.Value(peerKey{}).(peer)
	if !ok {
		return ""
	}
	return byUID(p.UID)
}

// Me names the operator whose process this is, as By does.
func Me() string { return byUID(uint32(os.Getuid())) }

func byUID(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username + " (uid " + id + ")"
	}
	return "uid " + id
}
