package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what the figures were measured on.
type machine struct {
	kernel, system, processor, user string
	memoryGiB                       float64
	loadBefore, loadAfter           string
	peers                           []string // their versions
}

func lookAtMachine() machine {
	m := machine{
		system:     field("/etc/os-release", "PRETTY_NAME", "="),
		processor:  field("/proc/cpuinfo", "model name", ":"),
		user:       "an ordinary user",
		loadBefore: load(),
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.kernel = unix.ByteSliceToString(u.Release[:])
	}
	var i unix.Sysinfo_t
	if unix.Sysinfo(&i) == nil {
		m.memoryGiB = float64(i.Totalram) * float64(i.Unit) / (1 << 30)
	}
	if os.Geteuid() == 0 {
		m.user = "root"
	}
	for _, argv := range [][]string{{"bwrap", "--version"}, {"firejail", "--version"}, {"runc", "--version"}, {"docker", "version", "--format", "docker {{.Server.Version}}"}} {
		if out, err := exec.Command(argv[0], argv[1:]...).Output(); err == nil {
			first, _, _ := strings.Cut(string(out), "\n")
			m.peers = append(m.peers, strings.TrimSpace(first))
		}
	}
	return m
}

func (m machine) lines() []string {
	return []string{
		fmt.Sprintf("%s, kernel %s, %s, %d cores, %.0f GiB, as %s", m.system, m.kernel, m.processor, runtime.NumCPU(), m.memoryGiB, m.user),
		fmt.Sprintf("load average %s before, %s after; %s", m.loadBefore, m.loadAfter, runtime.Version()),
		"peers: " + strings.Join(m.peers, ", "),
	}
}

// load is the load average of the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// field is the value after key in the first line of file that begins with it.
func field(file, key, between string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if k, v, ok := strings.Cut(in.Text(), between); ok && strings.TrimSpace(k) == key {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return "unknown"
}
