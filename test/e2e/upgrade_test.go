package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nemoclaw/nemoclaw/test/model/tiny"
)

// upgrading is how long two starts of the agent may take on a busy machine, its
// migration included.
const upgrading = 10 * time.Minute

// TestUpgradeOfALiveOpenClaw: an OpenClaw that has been spoken to is upgraded
// while it runs, onto a base that is pinned too, goes on with the same session,
// and goes back.
func TestUpgradeOfALiveOpenClaw(t *testing.T) {
	h := newHome(t)
	h.store()
	models := h.ownModels("127.0.0.1:0")
	h.must("onboard", "--yes", "--name", "claw", "--blueprint", "openclaw@0.1.0", "--inference-url", models.URL, "--model", "tiny")
	c := &claw{box{h, "claw"}, models}
	b := &c.box
	b.sh("mkdir -p /sandbox/work && echo mine > /sandbox/work/file && head -c 300000 /dev/urandom > /sandbox/work/bytes && ln -s /etc/shadow /sandbox/work/link")
	const sum = "cd /sandbox/work && sha256sum file bytes && readlink link"
	before := b.sh(sum).out
	if r := c.says(b, "talk", "Hello?"); r.code != 0 || !strings.Contains(r.out, tiny.Sentence) {
		t.Fatal(r)
	}

	ctx, cancel := context.WithTimeout(t.Context(), upgrading)
	defer cancel()
	began := time.Now()
	if r := h.runFor(ctx, nil, "claw", "upgrade", "--blueprint", "v0.3.0"); r.code != 0 || !strings.Contains(r.out, "Changes in v0.3.0") {
		t.Fatal(r)
	}
	t.Logf("upgraded in %s", time.Since(began).Round(time.Second))
	if st := b.status(); !st.Healthy || st.Blueprint.Version != "0.3.0" || !st.Blueprint.Verified {
		t.Errorf("%+v", st)
	}
	b.talks(c, before, sum)

	began = time.Now()
	if r := h.runFor(ctx, nil, "claw", "rollback", "--workspace"); r.code != 0 {
		t.Fatal(r)
	}
	t.Logf("rolled back in %s", time.Since(began).Round(time.Second))
	if st := b.status(); !st.Healthy || st.Blueprint.Version != "0.1.0" {
		t.Errorf("%+v", st)
	}
	b.talks(c, before, sum)
	b.do("audit", "verify")
}

// talks holds that files and session are as they were, and that the agent
// answers in it.
func (b *box) talks(c *claw, files, sum string) {
	b.Helper()
	if now := b.sh(sum).out; now != files || files == "" {
		b.Errorf("its files: %q, were %q", now, files)
	}
	if r := b.exec("openclaw", "sessions"); r.code != 0 || !strings.Contains(r.out+r.err, "talk") { // the newer one lists them on stderr
		b.Error(r)
	}
	if r := c.says(b, "talk", "Hello again?"); r.code != 0 || !strings.Contains(r.out, tiny.Sentence) {
		b.Error(r)
	}
}
