package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/test/registry"
)

// work are things that people do all day. Each script ends with code 0 inside,
// and the walls have nothing to say about it.
var work = []struct{ name, needs, script string }{
	{"npm installs a native module and builds another", "npm", `
		[ -e /usr/include/node/node.h ] || exit 42
		printf '{"dependencies":{"@node-rs/xxhash":"1.7.6","bufferutil":"4.1.0","express":"5.1.0"}}' > package.json
		npm install --registry http://npm.example.org/ --no-audit --no-fund --build-from-source --nodedir=/usr --foreground-scripts
		[ -e node_modules/bufferutil/build/Release/bufferutil.node ]
		node -e 'require("express"); const b = require("bufferutil"), x = require("@node-rs/xxhash")
			const d = Buffer.from("abcd"); b.unmask(d, Buffer.from([1,2,3,4])); console.log(d.toString("hex"), x.xxh32("a"))'`},
	{"pip installs big wheels", "/usr/bin/python3", `
		/usr/bin/python3 -m venv venv
		env -u PIP_FIND_LINKS venv/bin/pip install -q --trusted-host pip.example.org --index-url http://pip.example.org/simple/ numpy pandas
		OPENBLAS_NUM_THREADS=2 venv/bin/python -c '
import numpy, pandas, multiprocessing, concurrent.futures
print(round(float(numpy.linalg.inv(numpy.eye(400) * 2).sum())), pandas.DataFrame({"a": [1, 2, 3]}).a.sum())
with concurrent.futures.ProcessPoolExecutor(2) as p: print(list(p.map(abs, [-1, -2])))'`},
	{"git clones, commits and collects garbage", "git", `
		git clone -q http://git.example.org/project.git
		cd project && git log --oneline | wc -l && git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m more
		git checkout -q -b other HEAD~1 && git merge -q master && git gc -q && git fsck --strict`},
	{"a JVM compiles and runs threads", "javac", `
		cat > Main.java <<'EOF'
import java.util.concurrent.*; import java.util.stream.*; import java.nio.file.*;
public class Main { public static void main(String[] a) throws Exception {
	var pool = Executors.newFixedThreadPool(8); var all = new java.util.ArrayList<Future<Long>>();
	for (int i = 0; i < 64; i++) { final long n = i; all.add(pool.submit(() -> LongStream.range(0, 100000).map(x -> x * n % 7).sum())); }
	long sum = 0; for (var f : all) sum += f.get();
	for (int i = 0; i < 50; i++) { byte[] b = new byte[4 << 20]; b[i] = 1; } System.gc();
	var p = new ProcessBuilder("cat", "/proc/self/stat").start(); p.getInputStream().readAllBytes();
	Files.writeString(Path.of("out"), "" + sum); pool.shutdown(); System.out.println(sum + " " + p.waitFor());
} }
EOF
		javac Main.java && java -Xmx256m Main`},
	{"tmux keeps a session", "tmux", `
		tmux -f /dev/null new-session -d -s s -x 80 -y 24 'printf "in tmux"; exec sleep 100'
		timeout 60 sh -c 'until tmux capture-pane -p -t s | grep -q "in tmux"; do :; done'
		tmux capture-pane -p -t s | grep "in tmux"; tmux kill-server`},
	{"stress", "stress-ng", `
		cd /tmp && stress-ng --temp-path /tmp --cpu 2 --vm 1 --vm-bytes 64M --io 1 --hdd 1 --hdd-bytes 64M --pipe 1 --futex 1 --sem 1 --poll 1 --switch 1 --timer 1 --mmap 1 --timeout 3s`},
}

// Real programs do real work, and nothing that they do is refused.
func TestWork(t *testing.T) {
	b := newShell(t, `egress:
  - {host: npm.example.org, port: 80}
  - {host: pip.example.org, port: 80}
  - {host: git.example.org, port: 80}
unlisted: deny
`)
	b.registries("../../.cache/registry")
	for _, w := range work {
		t.Run(w.name, func(t *testing.T) { b.in(t).works(w.needs, w.script) })
	}
}

// Compilers are big programs that start many others.
func TestToolchains(t *testing.T) {
	h := newHome(t)
	var flags []string
	rust, err := exec.CommandContext(t.Context(), "rustc", "--print", "sysroot").Output()
	if err == nil {
		flags = []string{"--mount", strings.TrimSpace(string(rust)) + ":/sandbox/rust:ro"}
	}
	b := h.shell("box", "egress:\n  - {host: modules.example.org, port: 80}\n  - {host: git.example.org, port: 80}\nunlisted: deny\n", flags...)
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	b.project()
	modules, err := registry.Go()
	if err != nil {
		t.Fatal(err)
	}
	b.world.Site("modules.example.org", modules)
	t.Run("go builds this project", func(t *testing.T) {
		b.in(t).works(strings.TrimSpace(string(root))+"/bin/go", `
			export PATH=$PATH:`+strings.TrimSpace(string(root))+`/bin GOPROXY=http://modules.example.org GONOSUMDB='*' CGO_ENABLED=0
			git clone -q --depth 1 http://git.example.org/project.git && cd project
			for p in init tries; do go build -o internal/launch/program/init/nemoclaw-$p ./cmd/$p; done
			go build -o /tmp/built ./cmd/nemoclaw && /tmp/built version && go vet ./internal/policy && go test ./internal/policy -run TestDecide`)
	})
	t.Run("cargo builds a macro, a library and a program", func(t *testing.T) {
		b.in(t).works("/sandbox/rust/bin/cargo", `
			export PATH=$PATH:/sandbox/rust/bin CARGO_HOME=/tmp/cargo
			cargo new -q --lib twice && cargo new -q program && cd program
			printf '[lib]\nproc-macro = true\n' >> ../twice/Cargo.toml
			printf 'use proc_macro::TokenStream;\n#[proc_macro] pub fn twice(t: TokenStream) -> TokenStream { format!("2 * ({t})").parse().unwrap() }\n' > ../twice/src/lib.rs
			printf 'fn main() { println!("cargo:rustc-env=BUILT=yes") }\n' > build.rs
			printf '\ntwice = { path = "../twice" }\n' >> Cargo.toml
			printf 'fn main() { println!("{} {}", twice::twice!(21), env!("BUILT")) }\n' > src/main.rs
			cargo build -q --offline --release && cargo test -q --offline && ./target/release/program`)
	})
}

// in is the sandbox for a case of its own, in the same world.
func (b *box) in(t *testing.T) *box {
	return &box{&home{T: t, world: b.world, dir: b.dir, env: b.env}, b.name}
}

// works holds that script ends well, and that the book has nothing new about it
// but what is allowed.
func (b *box) works(needs, script string) {
	b.Helper()
	b.needs(needs)
	before := len(b.refusals())
	r := b.sh("set -eu; cd $(mktemp -d /sandbox/work-XXXXXX); export TERM=xterm; " + script)
	if r.code == 42 {
		b.Skip("needs Node's headers in /usr/include/node")
	}
	if r.code != 0 {
		b.Fatal(r)
	}
	b.Log(strings.TrimSpace(r.out))
	for _, e := range b.refusals()[before:] {
		b.Errorf("refused: %s %s %s by %s: %s", e.Kind, e.Verdict, e.Target, e.Program, e.Why)
	}
}

// refusals are what the walls have told of so far. Every line of before is in
// the book when a verb of the supervisor has been answered.
func (b *box) refusals() (all []audit.Event) {
	b.Helper()
	for _, e := range b.events() {
		if e.Kind == audit.Syscall || e.Verdict != "" && e.Verdict != "allow" {
			all = append(all, e)
		}
	}
	return all
}

// registries puts npm, pip and git into the world.
func (b *box) registries(dir string) {
	b.Helper()
	if _, err := os.Stat(filepath.Join(dir, "wheels")); err != nil {
		b.Skip("needs test/registry/install.sh to have run: " + err.Error())
	}
	npm, err := registry.NPM(filepath.Join(dir, "npm"))
	if err != nil {
		b.Fatal(err)
	}
	wheels, err := registry.Python(filepath.Join(dir, "wheels"))
	if err != nil {
		b.Fatal(err)
	}
	b.world.Site("npm.example.org", npm)
	b.world.Site("pip.example.org", wheels)
	repository := filepath.Join(b.TempDir(), "project")
	tool(b.T, "sh", "-ec", `git init -q -b master "$0" && cd "$0" && mkdir -p a/b
		for i in $(seq 300); do echo "$i $i" > a/b/$i; done
		git add . && git -c user.name=a -c user.email=a@example.org commit -q -m first
		for i in 1 2 3; do seq $i 1000 > a/b/$i; git -c user.name=a -c user.email=a@example.org commit -q -am $i; done
		git clone -q --bare . ../project.git`, repository)
	b.site("git.example.org", filepath.Dir(repository))
}

// project puts this repository into the world.
func (b *box) project() {
	b.Helper()
	dir := b.TempDir()
	tool(b.T, "git", "clone", "-q", "--bare", "../..", filepath.Join(dir, "project.git"))
	b.site("git.example.org", dir)
}

func (b *box) site(host, dir string) {
	b.Helper()
	git, err := registry.Git(dir)
	if err != nil {
		b.Skip("needs git-http-backend: " + err.Error())
	}
	b.world.Site(host, git)
}
