package filter

import (
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Every row that does not allow is really called, behind a really installed
// filter. A refused call must give the very error that this test's listener
// answers with, which nothing but the filter could have asked it for.
func TestEveryRefusalIsMade(t *testing.T) {
	table := Table()
	calls := refusals(table, 40)
	in, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, "behind", string(in), "try")
	if r.err != nil {
		t.Fatalf("%v\n%s", r.err, r.out)
	}
	var got []tried
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("%v\n%s", err, r.out)
	}
	refused := 0
	for _, c := range got {
		want := plainly(table, asked{uint32(c.Nr), arch, c.Args})
		if want == Refuse {
			refused++
			if c.Errno != ours {
				t.Errorf("%s(%#x): %v, want the listener's %v", Name(c.Nr), c.Args, c.Errno, ours)
			}
			if !slices.ContainsFunc(r.told, func(n told) bool { return int(n.Nr) == c.Nr && n.Args == c.Args }) {
				t.Errorf("%s(%#x): nobody was told", Name(c.Nr), c.Args)
			}
			continue
		}
		if Errno(c.Errno) != want {
			t.Errorf("%s(%#x): %v, want %v", Name(c.Nr), c.Args, c.Errno, want)
		}
	}
	if refused != len(r.told) {
		t.Errorf("%d refused, %d told", refused, len(r.told))
	}
	t.Logf("%d calls tried, %d of them told", len(got), refused)
}

// A number that the table does not know looks like one of an older kernel, a
// second set of numbers too.
func TestUnknownCallsAreAbsent(t *testing.T) {
	var calls []tried
	for _, nr := range []int{380, 511, 600, 1 << 20, x32 + unix.SYS_GETPID, x32 + unix.SYS_PTRACE} {
		calls = append(calls, tried{Nr: nr})
	}
	in, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, "behind", string(in), "try")
	var got []tried
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("%v %v\n%s", r.err, err, r.out)
	}
	for _, c := range got {
		if c.Errno != unix.ENOSYS {
			t.Errorf("syscall %d: %v, want %v", c.Nr, c.Errno, unix.ENOSYS)
		}
	}
	if len(r.told) > 0 {
		t.Errorf("told of %v, want silence", r.names())
	}
}

// Each of these works behind the filter as it does without, and nobody is told.
func TestAllowedCallsWork(t *testing.T) {
	for name := range working {
		t.Run(name, func(t *testing.T) {
			if r := run(t, "bare", "", "works", name); r.err != nil {
				t.Skipf("needs %s, which does not work here even without a filter: %s", name, r.out)
			}
			r := run(t, "behind", "", "works", name)
			if r.err != nil {
				t.Errorf("%v: %s", r.err, r.out)
			}
			if len(r.told) > 0 {
				t.Errorf("told of %v, want silence", r.names())
			}
		})
	}
}

// Real programs, as an agent runs them.
func TestRealPrograms(t *testing.T) {
	for _, c := range []struct {
		name string
		argv []string
	}{
		{"sh", []string{"sh", "-c", "echo $(id -u) | cat > f; chmod 755 f; mkdir d; mv f d; ls -la d; cp -a d e; rm -r d; umask; ulimit -n; kill -0 $$"}},
		{"node", []string{"node", "-e", nodeWork}},
		{"python3", []string{"python3", "-c", pythonWork}},
		{"git", []string{"sh", "-ec", "git init -q .; echo a > a; git add a; git -c user.name=a -c user.email=a@example.org commit -qm a; git clone -q . ../c$$; git gc -q; git fsck"}},
		{"npm", []string{"sh", "-ec", "npm init -y >/dev/null; mkdir p; (cd p; npm init -y >/dev/null); npm pack ./p; npm install --offline --no-audit ./p-1.0.0.tgz"}},
		{"curl", []string{"sh", "-c", "curl -sS --max-time 5 http://127.0.0.1:1/; test $? = 7"}},
		{"sqlite3", []string{"sqlite3", "x.db", "create table t(a); insert into t values(1); pragma journal_mode=wal; select * from t; vacuum"}},
		{"tar", []string{"sh", "-ec", "mkdir d; echo x > d/x; ln d/x d/y; ln -s x d/z; tar czf a.tgz d; rm -r d; tar xzf a.tgz; cat d/z"}},
		{"tmux", []string{"sh", "-ec", "tmux -S ./s -f /dev/null new-session -d 'sleep 60'; tmux -S ./s list-sessions; tmux -S ./s kill-server"}},
		{"script", []string{"script", "-qec", "tty; stty size", "/dev/null"}},
		{"java", []string{"java", "-XX:+UseSerialGC", "-Xmx128m", "-version"}},
		{"openssl", []string{"sh", "-ec", "openssl genpkey -algorithm ed25519 | openssl pkey -noout -text >/dev/null; echo a | openssl dgst -sha256"}},
		{"go", []string{"sh", "-ec", goWork}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.name); err != nil {
				t.Skipf("needs %s", c.name)
			}
			if bare := run(t, "bare", "", append([]string{"exec"}, c.argv...)...); bare.err != nil {
				t.Skipf("needs a %s that works here without a filter: %v: %s", c.name, bare.err, bare.out)
			}
			r := run(t, "behind", "", append([]string{"exec"}, c.argv...)...)
			if r.err != nil {
				t.Errorf("%v: %s", r.err, r.out)
			}
			if len(r.told) > 0 {
				t.Errorf("tripped over %v", r.names())
			}
		})
	}
}

const nodeWork = `
const fs=require('fs'),net=require('net'),os=require('os'),cp=require('child_process'),{Worker}=require('worker_threads');
os.networkInterfaces(); os.setPriority(5); fs.mkdirSync('d',{recursive:true}); fs.writeFileSync('d/x','x'); fs.cpSync('d','e',{recursive:true});
fs.watch('d').close(); cp.execFileSync('true');
const m=new WebAssembly.Memory({initial:1}); new Function('a','return a+1')(m.buffer.byteLength);
new Worker('require("fs").readdirSync(".")',{eval:true}).on('exit',()=>{
 const s=net.createServer(c=>c.end('hi')).listen(0,'127.0.0.1',()=>fetch('http://127.0.0.1:'+s.address().port).catch(()=>{}).finally(()=>{s.close()}));
});`

const pythonWork = `
import os,subprocess,threading,socket,multiprocessing,tempfile,asyncio,ctypes,mmap,select,shutil,time
subprocess.run(['true'],check=True); subprocess.run('exit 0',shell=True,check=True,start_new_session=True)
t=threading.Thread(target=lambda:None); t.start(); t.join()
q=multiprocessing.get_context('fork').Queue(); q.put(1); assert q.get()==1
with multiprocessing.get_context('spawn').Pool(1) as p: assert p.map(abs,[-1])==[1]
s=socket.create_server(('127.0.0.1',0)); c=socket.create_connection(s.getsockname()); c.close(); s.close()
socket.socket(socket.AF_INET6,socket.SOCK_DGRAM).close(); socket.if_nameindex()
os.sched_setaffinity(0,os.sched_getaffinity(0)); os.nice(1); os.mkfifo('f'); os.posix_spawn('/bin/true',['true'],{}); os.wait()
async def w(): await (await asyncio.create_subprocess_exec('true')).wait()
asyncio.run(w()); f=tempfile.TemporaryFile(); f.write(b'x'*5000); f.flush(); mmap.mmap(f.fileno(),0).close()
os.pidfd_open(os.getpid()); os.memfd_create('m'); os.eventfd(0); shutil.copy2(__import__('sys').executable,'p')
os.makedirs('a/b',0o2775); os.chmod('a',0o1777)
`

const goWork = `cat > main.go <<'X'
package main
import ("fmt";"net";"net/http";"os";"os/exec";"os/signal")
func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0"); if err != nil { panic(err) }
	go http.Serve(l, http.NotFoundHandler())
	r, err := http.Get("http://"+l.Addr().String()); if err != nil { panic(err) }
	fmt.Println(r.StatusCode); signal.Notify(make(chan os.Signal,1))
	if err := exec.Command("true").Run(); err != nil { panic(err) }
	root, err := os.OpenRoot("."); if err != nil { panic(err) }
	if err := root.WriteFile("x", nil, 0o600); err != nil { panic(err) }
	if _, err := net.Interfaces(); err != nil { panic(err) }
}
X
go mod init x 2>/dev/null; go vet . && go run .`

// Calls of another architecture end the program: their numbers mean other
// things, and a filter that guessed would allow the wrong one.
func TestForeignArchitectureIsKilled(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3, to write 32-bit code into memory")
	}
	if unix.AUDIT_ARCH_X86_64 != arch {
		t.Skip("needs amd64: int 0x80 is its road to another architecture")
	}
	r := run(t, "bare", "", "exec", python, "-c", int80)
	if r.err != nil {
		t.Skipf("needs a kernel with 32-bit emulation: %v %s", r.err, r.out)
	}
	r = run(t, "behind", "", "exec", python, "-c", int80)
	var exit *exec.ExitError
	if !errors.As(r.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
		t.Errorf("int 0x80 behind the filter: %v, want killed by SIGSYS\n%s", r.err, r.out)
	}
}

// int80 asks for getpid (20 on i386) through int 0x80.
const int80 = `
import mmap,ctypes,os
m=mmap.mmap(-1,4096,prot=mmap.PROT_READ|mmap.PROT_WRITE|mmap.PROT_EXEC)
m.write(bytes.fromhex('b814000000cd80c3'))
f=ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))
assert f()==os.getpid()
`

// Without a listener the same calls are plainly EPERM.
func TestWithoutListener(t *testing.T) {
	prog, err := Compile()
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(prog)
	vm := assemble(t, unheard(prog))
	if !slices.Equal(before, prog) {
		t.Error("the given filter was changed")
	}
	table := Table()
	for _, c := range refusals(table, 5) {
		want := plainly(table, asked{uint32(c.Nr), arch, c.Args})
		if want == Refuse {
			want = Errno(unix.EPERM)
		}
		if got := vm.run(t, asked{uint32(c.Nr), arch, c.Args}); got != want {
			t.Errorf("%s(%#x) = %v, want %v", Name(c.Nr), c.Args, got, want)
		}
	}
}

func TestInstallRefusesNonsense(t *testing.T) {
	if _, err := Install(nil, false); err == nil || !strings.Contains(err.Error(), "instructions") {
		t.Errorf("an empty filter: %v", err)
	}
}
