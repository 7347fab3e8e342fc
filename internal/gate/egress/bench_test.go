package egress

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// target is an echo server on the host's loopback; both ways lead to it, so
// what differs is the way alone.
func echoServer(b *testing.B) (port int) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go accept(l, func(c *net.TCPConn) { io.Copy(c, c) })
	return l.Addr().(*net.TCPAddr).Port
}

func accept(l net.Listener, serve func(*net.TCPConn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			serve(c.(*net.TCPConn))
		}()
	}
}

// plainProxy is the least that a proxy in Go can do.
func plainProxy(b *testing.B, to string) (port int) {
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(b.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go accept(l, func(c *net.TCPConn) {
		out, err := net.Dial("tcp4", to)
		if err != nil {
			return
		}
		defer out.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			io.Copy(c, out)
			c.CloseWrite()
		}()
		io.Copy(out, c)
		out.(*net.TCPConn).CloseWrite()
		<-done
	})
	return l.Addr().(*net.TCPAddr).Port
}

// way is one road to the echo server.
type way struct {
	socket func() *os.File // a fresh one, not timed
	to     unix.SockaddrInet4
	times  []time.Duration
}

func ways(b *testing.B) (gate, plain *way) {
	port := echoServer(b)
	g := newBench(b, "egress: [{host: localhost, port: "+strconv.Itoa(port)+"}]\n", nil)
	name := g.lookup("host.docker.internal")
	proxy := plainProxy(b, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)).String())
	gate = &way{socket: ahead(g.inside.Socket), to: unix.SockaddrInet4{Addr: name.As4(), Port: port}}
	plain = &way{socket: ahead(localSocket), to: unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: proxy}}
	return gate, plain
}

// ahead makes sockets in heaps, so that making one does not fall into the time
// of its neighbour.
func ahead(socket func() *os.File) func() *os.File {
	var heap []*os.File
	return func() *os.File {
		if len(heap) == 0 {
			for range 64 {
				heap = append(heap, socket())
			}
		}
		f := heap[len(heap)-1]
		heap = heap[:len(heap)-1]
		return f
	}
}

func localSocket() *os.File {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	return os.NewFile(uintptr(fd), "local")
}

// connectEcho times connect and one byte there and back.
func (w *way) connectEcho(b *testing.B) {
	f := w.socket()
	defer f.Close()
	fd := int(f.Fd())
	one := []byte{1}
	begin := time.Now()
	if err := unix.Connect(fd, &w.to); err != nil {
		b.Fatal(err)
	}
	if _, err := unix.Write(fd, one); err != nil {
		b.Fatal(err)
	}
	if n, err := unix.Read(fd, one); n != 1 || err != nil {
		b.Fatal(n, err)
	}
	w.times = append(w.times, time.Since(begin))
}

func (w *way) percentile(p int) float64 {
	slices.Sort(w.times)
	return float64(w.times[len(w.times)*p/100].Nanoseconds()) / 1000
}

// BenchmarkConnect takes both ways by turns, so that the machine's noise falls
// on both.
func BenchmarkConnect(b *testing.B) {
	gate, plain := ways(b)
	for b.Loop() {
		gate.connectEcho(b)
		plain.connectEcho(b)
	}
	for _, p := range []int{50, 99} {
		g, d := gate.percentile(p), plain.percentile(p)
		b.ReportMetric(g, "gate-p"+strconv.Itoa(p)+"-us")
		b.ReportMetric(d, "plain-p"+strconv.Itoa(p)+"-us")
		b.ReportMetric(g/d, "ratio-p"+strconv.Itoa(p))
	}
}

const bulk = 64 << 20

// pull sends bulk bytes through the echo and reads them back.
func (w *way) pull(b *testing.B) {
	f := w.socket()
	defer f.Close()
	if err := unix.Connect(int(f.Fd()), &w.to); err != nil {
		b.Fatal(err)
	}
	c, err := net.FileConn(f)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	go func() {
		block := make([]byte, 256<<10)
		for range bulk / len(block) {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	n, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	if n != bulk || err != nil {
		b.Fatal(n, err)
	}
	w.times = append(w.times, time.Since(begin))
}

// BenchmarkBulk moves 64 MiB there and back.
func BenchmarkBulk(b *testing.B) {
	gate, plain := ways(b)
	b.SetBytes(4 * bulk)
	for b.Loop() {
		gate.pull(b)
		plain.pull(b)
	}
	g, d := gate.percentile(50), plain.percentile(50)
	b.ReportMetric(2*bulk/g, "gate-MB/s")
	b.ReportMetric(2*bulk/d, "plain-MB/s")
	b.ReportMetric(d/g, "ratio")
}

func BenchmarkHello(b *testing.B) {
	stream := records(build(sni("api.github.com"), extension(21, make([]byte, 1500))), maxRecord)
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		var g gatherer
		if h, err := g.feed(stream); err != nil || h.judge("api.github.com") != "" {
			b.Fatal(h, err)
		}
	}
}

func BenchmarkReply(b *testing.B) {
	g := gateWith(b, "unlisted: ask\n")
	q := question(b, "api.github.com.", 1)
	for b.Loop() {
		if g.reply(q) == nil {
			b.Fatal("silence")
		}
	}
}
