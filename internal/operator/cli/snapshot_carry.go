package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// carried are the files that go with a sandbox to another machine, by their
// names in its folder. Secrets stay.
var carried = []string{"sandbox.yaml", "network-policy.yaml", "inference.yaml", "gateway-token"}

func (t target) snapshotExportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export FILE", Short: "pack the workspace, policies and settings into FILE, for another machine", Args: words("FILE"),
		RunE: func(c *cobra.Command, args []string) error { return t.snapshotExport(c.Context(), args[0]) },
	}
}

func (t target) snapshotImportCommand() *cobra.Command {
	var name string
	var trust bool
	c := &cobra.Command{
		Use: "import FILE", Short: "make a sandbox of what export has packed, and start it", Args: words("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.app.snapshotImport(c.Context(), args[0], name, trust)
		},
	}
	c.Flags().StringVar(&name, "name", string(t.name), "the new sandbox's name; the packed one's where it is left out")
	c.Flags().BoolVar(&trust, "trust-policies", false, "let its policies use stored secrets and reach this machine and its network")
	return c
}

func (t target) snapshotExport(ctx context.Context, file string) (err error) {
	s, shelf, err := t.shelf()
	if err != nil {
		return err
	}
	unlock, err := t.app.changing(ctx, s)
	if err != nil {
		return err
	}
	defer unlock()
	files := map[string][]byte{}
	for _, name := range carried {
		body, err := os.ReadFile(filepath.Join(s.Dir(), name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("export: %w", err)
		}
		if err == nil {
			files[name] = body
		}
	}
	_, live := s.Holder()
	// Packed is a copy, to which nobody writes and in which no link is followed.
	r, err := shelf.Create(ctx, s.Workspace(), snapshot.Record{Made: time.Now(), By: "export", Why: "exported", Live: live})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shelf.Remove(r.ID)) }()
	err = packInto(file, func(w io.Writer) error {
		return snapshot.Write(ctx, w, snapshot.Header{Made: r.Made, Name: string(s.Name()), Record: r}, files, shelf.Tree(r))
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	t.app.voice.Result("%s", file)
	t.app.voice.News("! it holds what the agent knows, and the token of its gateway: keep it as you keep the sandbox; secrets and mounted folders are not in it")
	return nil
}

// packInto makes a new file: whole, or not at all.
func packInto(file string, pack func(io.Writer) error) error {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s: %w", file, os.ErrExist) // before anything is packed
	}
	out, err := os.CreateTemp(filepath.Dir(file), ".nemoclaw-export-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	w := bufio.NewWriterSize(out, 1<<20)
	if err := pack(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	// A link cannot take the place of a file that came meanwhile.
	if err := os.Link(out.Name(), file); !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return os.Rename(out.Name(), file) // a file system without hard links
}

// snapshotImport makes a sandbox of an archive: what it brings is unpacked
// beside, and only then becomes the workspace of a sandbox that is made as any
// other.
func (a *app) snapshotImport(ctx context.Context, file, name string, trust bool) error {
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer in.Close()
	tree, done, err := a.home.Scratch()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer done()
	user, err := onboard.FreeUser()
	if err != nil {
		return err
	}
	h, files, err := snapshot.Read(ctx, bufio.NewReaderSize(in, 1<<20), tree, int(user), carried)
	if err != nil {
		return err
	}
	if name == "" {
		name = h.Name
	}
	n, err := state.ParseName(name)
	if err != nil {
		return misplaced(err)
	}
	s := a.home.Sandbox(n)
	set, err := s.Adopt(files["sandbox.yaml"])
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if token, brought := files["gateway-token"]; brought {
		if _, err := onboard.ParseToken(token); err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	adopted, err := onboard.Adopt(a.home, host.Look(), set, user, files["network-policy.yaml"], files["inference.yaml"])
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if err := a.tell(adopted, trust); err != nil {
		return err
	}
	if err := a.checkSettings(adopted.Settings); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return a.settle(ctx, s, adopted.Settings, files, tree)
}

// tell says what an archive asks for. It may come from anybody: secrets of this
// machine are not sent, and its own services not reached, unless the operator agrees.
func (a *app) tell(adopted onboard.Adopted, trust bool) error {
	for _, d := range adopted.Dropped {
		a.voice.News("! not taken over: %s", say.Clean(d))
	}
	for _, r := range adopted.Rules {
		a.voice.News("its network policy: %s", say.Clean(r))
	}
	for _, s := range adopted.Servers {
		a.voice.News("its model calls go to %s", say.Clean(s))
	}
	if len(adopted.Near) == 0 || trust {
		return nil
	}
	return say.Failing("add --trust-policies, if you know who made it and have read the lines above",
		"import: its policies reach what is this machine's: %s", say.Clean(strings.Join(adopted.Near, ", ")))
}

// settle makes the sandbox and starts it; one that does not come up is removed
// again.
func (a *app) settle(ctx context.Context, s state.Sandbox, set state.Settings, files map[string][]byte, tree string) error {
	ch, err := a.changer(s)
	if err != nil {
		return err
	}
	ref, err := onboard.RefOf(set.Blueprint)
	if err != nil {
		return err
	}
	content, err := onboard.Prepare(ctx, a.voice, ch.Store, ref)
	if err != nil {
		return err
	}
	set.Blueprint.Tree, set.Created = string(content.Tree), time.Now().UTC()
	var put []state.File
	for _, name := range carried[1:] {
		if body, ok := files[name]; ok {
			put = append(put, state.File{Path: name, Data: body})
		}
	}
	if err := a.driver.Create(ctx, s, set, put...); err != nil {
		return err
	}
	if set.User != 0 {
		err = os.Lchown(tree, int(set.User), int(set.User))
	}
	if err == nil {
		// It is empty, and on the same disk; os.Rename wants it not to be there.
		err = unix.Rename(tree, s.Workspace())
	}
	if err == nil {
		err = a.driver.Start(ctx, s, a.step(s))
	}
	if err != nil {
		return errors.Join(err, a.driver.Remove(context.WithoutCancel(ctx), s))
	}
	return a.standing(ctx, s)
}
