package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

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
	c := &cobra.Command{
		Use: "import FILE", Short: "make a sandbox of what export has packed, and start it", Args: words("FILE"),
		RunE: func(c *cobra.Command, args []string) error { return t.app.snapshotImport(c.Context(), args[0], name) },
	}
	c.Flags().StringVar(&name, "name", string(t.name), "the new sandbox's name; the packed one's where it is left out")
	return c
}

func (t target) snapshotExport(ctx context.Context, file string) (err error) {
	s, shelf, err := t.shelf()
	if err != nil {
		return err
	}
	unlock, err := s.Changing(ctx, func() { t.app.voice.News("%s: waiting for a change of it", s.Name()) })
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
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	w := bufio.NewWriterSize(out, 1<<20)
	err = snapshot.Write(ctx, w, snapshot.Header{Made: r.Made, Name: string(s.Name()), Record: r}, files, shelf.Tree(r))
	if err = errors.Join(err, w.Flush(), out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	t.app.voice.Result("%s", file)
	t.app.voice.News("! it holds what the agent knows, and the token of its gateway: keep it as you keep the sandbox; secrets and mounted folders are not in it")
	return nil
}

// snapshotImport makes a sandbox of an archive: what it brings is unpacked
// beside, and only then copied into a sandbox that is made as any other.
func (a *app) snapshotImport(ctx context.Context, file, name string) error {
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer in.Close()
	if err := os.MkdirAll(a.home.Dir, 0o700); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	tree, err := os.MkdirTemp(a.home.Dir, ".import-")
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer os.RemoveAll(tree)
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
	set.User = user
	if len(set.Mounts) > 0 {
		a.voice.News("! mounted folders are not carried: %s", say.Count(len(set.Mounts), "mount"))
		set.Mounts = nil
	}
	if err := a.checkSettings(set); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return a.settle(ctx, s, set, files, tree)
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
	content, err := onboard.Ensure(ctx, a.voice, ch.Store, ref)
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
	_, err = snapshot.Copy(ctx, tree, s.Workspace())
	if err == nil && set.User != 0 {
		err = os.Lchown(s.Workspace(), int(set.User), int(set.User))
	}
	if err == nil {
		err = a.driver.Start(ctx, s, a.step(s))
	}
	if err != nil {
		return errors.Join(err, a.driver.Remove(context.WithoutCancel(ctx), s))
	}
	return a.standing(ctx, s)
}
