package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/snapshot"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) snapshotCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "copies of the workspace: make, list, restore, carry elsewhere",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var asJSON bool
	var why string
	create := &cobra.Command{
		Use: "create", Short: "copy the workspace as it is now", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.snapshotCreate(c.Context(), why) },
	}
	create.Flags().StringVar(&why, "note", "", "what it is for")
	list := &cobra.Command{
		Use: "list", Short: "the snapshots that there are", Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return t.snapshotList(asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print for programs")
	c.AddCommand(create, list, t.snapshotExportCommand(), t.snapshotImportCommand(), &cobra.Command{
		Use: "restore ID", Short: "make the workspace what it was; what it is now becomes a snapshot", Args: words("ID"),
		RunE: func(c *cobra.Command, args []string) error { return t.snapshotRestore(c.Context(), args[0]) },
	}, &cobra.Command{
		Use: "remove ID", Short: "delete one", Args: words("ID"),
		RunE: func(c *cobra.Command, args []string) error { return t.snapshotRemove(c.Context(), args[0]) },
	})
	return c
}

func (t target) shelf() (state.Sandbox, snapshot.Shelf, error) {
	s, err := t.sandbox()
	if err == nil && !s.Exists() {
		err = &state.NotFound{Name: s.Name()}
	}
	return s, snapshot.Shelf{Dir: s.Snapshots()}, err
}

func (t target) snapshotCreate(ctx context.Context, why string) error {
	s, shelf, err := t.shelf()
	if err != nil {
		return err
	}
	set, err := s.LoadEdited()
	if err != nil {
		return err
	}
	active, err := s.ActiveGeneration()
	if err != nil {
		return err
	}
	unlock, err := t.app.changing(ctx, s)
	if err != nil {
		return err
	}
	defer unlock()
	_, live := s.Holder()
	r, err := shelf.Create(ctx, s.Workspace(), snapshot.Record{
		Made: time.Now(), By: "operator", Why: why, Generation: active.Number, Live: live,
		Blueprint: set.Blueprint.Name + "@" + set.Blueprint.Version,
	})
	if err != nil {
		return err
	}
	t.app.voice.Result("%s", r.ID)
	t.app.voice.News("%s in %s", say.Bytes(r.Bytes), say.Count(r.Files, "file"))
	if live {
		t.app.voice.News("! taken while %s ran: a file that was just being written may be half; stop it first for an exact one", s.Name())
	}
	return nil
}

func (t target) snapshotList(asJSON bool) error {
	_, shelf, err := t.shelf()
	if err != nil {
		return err
	}
	all, err := shelf.List()
	if err != nil {
		return err
	}
	if asJSON {
		if all == nil {
			all = []snapshot.Record{}
		}
		return t.app.voice.JSON(all)
	}
	w := tabwriter.NewWriter(t.app.voice.Out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "SNAPSHOT\tMADE\tSIZE\tFILES\tWRITTEN BY\tWHY")
	for _, r := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", r.ID, when(r.Made), say.Bytes(r.Bytes), r.Files, say.Clean(r.Blueprint), say.Clean(r.Why))
	}
	return w.Flush()
}

func (t target) snapshotRestore(ctx context.Context, id string) error {
	s, _, err := t.shelf()
	if err != nil {
		return err
	}
	ch, err := t.app.changer(s)
	if err != nil {
		return err
	}
	_, ran := s.Holder()
	was, err := ch.Restore(ctx, s, id)
	if err != nil {
		return unknownSnapshot(s, err)
	}
	t.app.voice.News("%s: the workspace is what it was in %s; what it was until now is kept as %s", s.Name(), id, was.ID)
	if !ran {
		return nil
	}
	return t.app.standing(ctx, s)
}

func (t target) snapshotRemove(ctx context.Context, id string) error {
	s, shelf, err := t.shelf()
	if err != nil {
		return err
	}
	unlock, err := t.app.changing(ctx, s)
	if err != nil {
		return err
	}
	defer unlock()
	if err := shelf.Remove(id); err != nil {
		return unknownSnapshot(s, err)
	}
	t.app.voice.Result("%s removed", id)
	return nil
}

func unknownSnapshot(s state.Sandbox, err error) error {
	if u := (*snapshot.Unknown)(nil); errors.As(err, &u) {
		return say.Failing("nemoclaw "+string(s.Name())+" snapshot list", "%w", err)
	}
	return err
}
