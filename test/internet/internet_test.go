package internet

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func deadline(t *testing.T) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(stop)
	return ctx
}

func TestAnyNameAnswersHTTPS(t *testing.T) {
	w := Use(t)
	r, err := http.Get("https://api.github.com/repos?x=1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var e Echo
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		t.Fatal(err)
	}
	if e.Host != "api.github.com" || e.Path != "/repos?x=1" || !e.TLS {
		t.Errorf("echo: %+v", e)
	}
	got := w.To("api.github.com")
	if len(got) != 1 || got[0].SNI != "api.github.com" || got[0].Addr.Port() != 443 || got[0].Bytes == 0 {
		t.Fatalf("arrivals: %+v", got)
	}
	if len(got[0].Requests) != 1 || got[0].Requests[0].Path != "/repos?x=1" {
		t.Errorf("requests: %+v", got[0].Requests)
	}
	if q := w.Queries(); !slices.ContainsFunc(q, func(q Query) bool { return q.Name == "api.github.com" && q.Type == "A" }) {
		t.Errorf("queries: %+v", q)
	}
}

func TestAnyPortEchoes(t *testing.T) {
	w := Use(t)
	for _, address := range []string{"203.0.113.5:9999", "[2001:db8::1]:22", "db.example:5432"} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "hello")
		c.(*net.TCPConn).CloseWrite()
		b, err := io.ReadAll(c)
		c.Close()
		if string(b) != "hello" || err != nil {
			t.Errorf("%s: %q, %v", address, b, err)
		}
		host, _, _ := net.SplitHostPort(address)
		a, err := w.Await(deadline(t), func(a Arrival) bool { return a.Host == host && a.Closed })
		if err != nil || a.Bytes != 5 || string(a.Head) != "hello" {
			t.Errorf("%s: %+v, %v", address, a, err)
		}
	}
}

func TestAnswersAreSettable(t *testing.T) {
	w := Use(t)
	public, private := netip.MustParseAddr("45.1.2.3"), netip.MustParseAddr("10.0.0.7")
	w.Answer("flip.example", []netip.Addr{public}, []netip.Addr{private})
	w.Absent("gone.example")
	for _, want := range []netip.Addr{public, private, private} {
		got, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip", "flip.example.")
		if err != nil || len(got) != 1 || got[0].Unmap() != want {
			t.Errorf("got %v, %v: want %v", got, err, want)
		}
	}
	if got, err := net.LookupHost("gone.example."); err == nil {
		t.Errorf("an absent name has %v", got)
	}
	if got, err := net.LookupHost("here.example."); err != nil || !slices.Contains(got, w.Addr("here.example").String()) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestServiceSpeaksFirst(t *testing.T) {
	w := Use(t)
	w.Service("mail.example", 25, func(c net.Conn) { io.WriteString(c, "220 mail.example\r\n") })
	c, err := net.Dial("tcp", "mail.example:25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, _ := io.ReadAll(c); string(b) != "220 mail.example\r\n" {
		t.Errorf("got %q", b)
	}
}

func TestLoopbackIsTheMachinesOwn(t *testing.T) {
	w := Use(t)
	for _, address := range []string{"127.0.0.1:0", Machine + ":0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if got := w.Arrivals(); len(got) != 0 {
		t.Errorf("the world saw %+v", got)
	}
}

func TestPacketsCountUp(t *testing.T) {
	w := Use(t)
	before := w.Packets(t)
	c, err := net.Dial("udp", "198.51.100.9:4433")
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("x"))
	c.Close()
	after := w.Packets(t)
	if after.UDP != before.UDP+1 || after.IP <= before.IP || after.TCPOpens != before.TCPOpens {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestProgramsOfTheWorldNeedNotKnow(t *testing.T) {
	w := Use(t)
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("needs curl")
	}
	out, err := exec.CommandContext(deadline(t), curl, "-sS", "https://registry.example/pkg").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"path":"/pkg"`) {
		t.Fatalf("%s, %v", out, err)
	}
	if len(w.To("registry.example")) != 1 {
		t.Errorf("arrivals: %+v", w.Arrivals())
	}
}

// A sandbox is made of nested namespaces; the world must not be in their way.
func TestNamespacesNest(t *testing.T) {
	Use(t)
	c := exec.CommandContext(deadline(t), "/bin/sh", "-c", "mount -t proc proc /proc && mount -t tmpfs tmpfs /mnt && echo $$")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "1" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestTestsHaveTheCallersRights(t *testing.T) {
	Use(t)
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 && !strings.Contains(string(b), "CapEff:\t0000000000000000") {
		t.Errorf("an unprivileged caller has capabilities:\n%s", b)
	}
	if os.Getpid() == 1 {
		t.Error("the tests are PID 1")
	}
}
