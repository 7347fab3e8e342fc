package internet

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"testing"
)

func silence() *log.Logger { return log.New(io.Discard, "", 0) }

// Packets counts what the machine of this world has sent since it was made, to
// anybody, itself included (snmp counters, proc_pid_net(5)). Sandboxes have
// counters of their own.
type Packets struct {
	IP         int64 // packets of every protocol, IPv4 and IPv6
	TCPOpens   int64 // connections begun
	UDP        int64 // datagrams of UDP
	UDPLite    int64
	ICMP       int64
	ICMPErrors int64 // destination unreachable, both ways
}

// Packets reads the counters.
func (w *World) Packets(t testing.TB) Packets {
	t.Helper()
	c, err := counters()
	if err != nil {
		t.Fatal(err)
	}
	return Packets{
		IP:         c["Ip.OutRequests"] + c["Ip6OutRequests"],
		TCPOpens:   c["Tcp.ActiveOpens"],
		UDP:        c["Udp.OutDatagrams"] + c["Udp6OutDatagrams"],
		UDPLite:    c["UdpLite.OutDatagrams"] + c["UdpLite6OutDatagrams"],
		ICMP:       c["Icmp.OutMsgs"] + c["Icmp6OutMsgs"],
		ICMPErrors: c["Icmp.OutDestUnreachs"] + c["Icmp6OutDestUnreachs"],
	}
}

func counters() (map[string]int64, error) {
	c := map[string]int64{}
	four, err := os.Open("/proc/self/net/snmp")
	if err != nil {
		return nil, fmt.Errorf("count packets: %w", err)
	}
	defer four.Close()
	// Two lines a protocol: the names, then the numbers.
	for s := bufio.NewScanner(four); s.Scan(); {
		names := strings.Fields(s.Text())
		if !s.Scan() {
			break
		}
		for i, v := range strings.Fields(s.Text()) {
			if n, err := strconv.ParseInt(v, 10, 64); err == nil && i < len(names) {
				c[strings.TrimSuffix(names[0], ":")+"."+names[i]] = n
			}
		}
	}
	six, err := os.ReadFile("/proc/self/net/snmp6")
	if os.IsNotExist(err) {
		return c, nil // a kernel without IPv6
	}
	for line := range strings.Lines(string(six)) {
		f := strings.Fields(line)
		if len(f) == 2 {
			c[f[0]], _ = strconv.ParseInt(f[1], 10, 64)
		}
	}
	return c, err
}
