package escape

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// harmless are the kernel's own tests that may get through inside: they ask what
// Landlock is, or put filters of their own over the sandbox's. What else would
// pass needs a mount, a second listener, a namespace or a trace.
var harmless = map[string]*regexp.Regexp{
	"base_test":   regexp.MustCompile(`^global\.(ruleset_fd_io|inconsistent_attr|errata|create_ruleset_checks_ordering|add_rule_checks_ordering|create_ruleset_checks_ordering|abi_version|restrict_self_checks_ordering|ruleset_fd_transfer|cred_transfer)$`),
	"fs_test":     regexp.MustCompile(`^$`),
	"ptrace_test": regexp.MustCompile(`^$`),
	"seccomp_bpf": regexp.MustCompile(`^(precedence\.|TRAP\.|TSYNC\.|# SKIP |global\.(unknown_ret|seccomp_|no_new_privs|negative_ENOSYS|mode_|strict_mode|log_all|get_action_avail|filter_|empty_prog|detect_|arg_out_of_range|TSYNC|KILL_|ERRNO_|ALLOW_all|syscall_restart$|user_notification_filter_empty|tsync_))`),
}

// needing are tests that pass where no wall stands, and must not inside.
var needing = map[string][]string{
	"fs_test":     {"layout1.no_restriction", "layout1_bind.no_restriction", "layout2_overlay.no_restriction"},
	"seccomp_bpf": {"global.user_notification_basic", "TRACE_poke.read_has_side_effects"},
}

var passed = regexp.MustCompile(`(?m)^ok \d+ (.*?)\s*$`)

// The kernel's own tests of Landlock and seccomp reach nothing inside that they
// should not, and the sandbox lives through all of them.
func TestJudgeKernelSelftests(t *testing.T) {
	built, err := filepath.Abs("../../.cache/selftests")
	check(t, err)
	if _, err := os.Stat(filepath.Join(built, "done")); err != nil {
		t.Skip("needs test/escape/selftests.sh to have run, on Debian")
	}
	w := outside(t)
	for name := range harmless {
		b, err := os.ReadFile(filepath.Join(built, name))
		check(t, err)
		check(t, os.WriteFile(filepath.Join(w.Shared, name), b, 0o755))
	}
	s := start(t, w, nil)
	for name, may := range harmless {
		t.Run(name, func(t *testing.T) {
			// Many wait half a minute for what they are refused, and some leave a
			// child behind that holds their output, or writes to it without end.
			out, err := s.run(t, "sh", "-c", "cd /tmp && timeout -k 1 20 /sandbox/shared/"+name+" >out 2>&1; ended=$?; head -c 4000000 out; exit $ended")
			t.Logf("it ended: %v", err)
			if !strings.Contains(out, "# Starting ") {
				t.Fatalf("it did not begin: %s", out)
			}
			reached := names(out)
			for _, r := range reached {
				if !may.MatchString(r) {
					t.Errorf("reached inside: %s", r)
				}
			}
			t.Logf("%d reached inside: %s", len(reached), strings.Join(reached, " "))
			if out, err := s.run(t, "echo", "still here"); err != nil || !strings.Contains(out, "still here") {
				t.Fatalf("the sandbox did not live through it: %q, %v", out, err)
			}
			selftestsOutside(t, filepath.Join(built, name), needing[name])
		})
	}
}

func names(out string) (all []string) {
	for _, m := range passed.FindAllStringSubmatch(out, -1) {
		all = append(all, m[1])
	}
	return all
}

// selftestsOutside holds that those tests pass in namespaces of their own, without walls.
func selftestsOutside(t *testing.T, program string, want []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, name := range want {
		c := exec.CommandContext(ctx, "unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", program, "-t", name)
		c.Dir = t.TempDir()
		out, _ := c.CombinedOutput() // it says itself how it went
		if reached := names(string(out)); !slices.Contains(reached, name) {
			t.Errorf("control: %s does not pass outside: %s", name, lastLine(string(out)))
		}
	}
}
