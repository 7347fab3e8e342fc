package launch

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/launch/launchtest"
)

func TestFirst(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b, err := Start(ctx, launchtest.Spec(t.TempDir()), Options{UID: 200000, GID: 200000, Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.Proofs() {
		t.Log(p)
	}
	p, err := b.Run(ctx, spec.Command{Argv: []string{"sh", "-c", "echo hello; id; ls -la / /dev; ls /home /etc; cat /proc/self/mountinfo"}})
	if err != nil {
		t.Fatal(err)
	}
	p.Stdin().Close()
	out, _ := io.ReadAll(p.Stdout())
	e, _ := io.ReadAll(p.Stderr())
	t.Logf("%s%s", out, e)
	t.Log(p.Wait())
	t.Log(b.Kill(), b.Wait())
}
