package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// Shelf is where the snapshots of one sandbox lie: a folder that nothing inside
// can reach. Who makes, removes or restores one keeps others away (the
// sandbox's Changing).
type Shelf struct{ Dir string }

// Record says what a snapshot is of.
type Record struct {
	Format     int       `json:"format"`
	ID         string    `json:"id"`
	Made       time.Time `json:"made"` // UTC
	Why        string    `json:"why"`  // "before the upgrade to openclaw@0.2.0"
	By         string    `json:"by"`   // operator, or what took it: upgrade, restore
	Generation int       `json:"generation"`
	Blueprint  string    `json:"blueprint"` // NAME@VERSION that wrote it
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	Live       bool      `json:"live,omitempty"` // the sandbox ran meanwhile
}

const (
	recordFormat = 1
	recordName   = "record.json"
	treeName     = "tree"
	making       = ".new-"
)

var idForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}-[0-9]{6}(-[0-9]{1,4})?$`) })

// Unknown means that no snapshot has the name.
type Unknown struct {
	ID   string
	Have []string
}

func (e *Unknown) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("find snapshot %q: there is none yet", e.ID)
	}
	return fmt.Sprintf("find snapshot %q: there are %s", e.ID, strings.Join(e.Have, ", "))
}

// NoRoom means that a copy would not fit on the disk.
type NoRoom struct {
	Dir        string
	Need, Have int64 // bytes
}

func (e *NoRoom) Error() string {
	return fmt.Sprintf("copy the workspace: %d MB are needed below %s, %d MB are free", e.Need>>20+1, e.Dir, e.Have>>20)
}

// Hint is what helps.
func (e *NoRoom) Hint() string { return "make room, or remove a snapshot: nemoclaw NAME snapshot list" }

// Create copies workspace. r says what of, when and why; its ID and counts are
// set here. A crash leaves either the whole snapshot or nothing under its name.
func (s Shelf) Create(ctx context.Context, workspace string, r Record) (Record, error) {
	if err := s.Room(ctx, workspace); err != nil {
		return Record{}, err
	}
	tmp, err := s.scratch()
	if err != nil {
		return Record{}, err
	}
	done, err := Copy(ctx, workspace, filepath.Join(tmp, treeName))
	if err == nil {
		r.Files, r.Bytes = done.Files, done.Bytes
		r, err = s.keep(tmp, r)
	}
	if err != nil {
		return Record{}, errors.Join(err, state.RemoveTree(tmp))
	}
	return r, nil
}

// scratch makes a folder with an empty tree in it, and sweeps what others that
// were killed have left.
func (s Shelf) scratch() (string, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return "", fmt.Errorf("make snapshot: %w", err)
	}
	s.Sweep()
	tmp, err := os.MkdirTemp(s.Dir, making)
	if err == nil {
		err = os.Mkdir(filepath.Join(tmp, treeName), 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("make snapshot: %w", err)
	}
	return tmp, nil
}

// Sweep removes what makers that were killed have left.
func (s Shelf) Sweep() {
	left, _ := filepath.Glob(filepath.Join(s.Dir, making+"*"))
	for _, dir := range left {
		_ = state.RemoveTree(dir) // the next one tries again
	}
}

// keep gives tmp, which holds a tree, its record and its name.
func (s Shelf) keep(tmp string, r Record) (Record, error) {
	r.Format, r.Made = recordFormat, r.Made.UTC().Truncate(time.Second)
	r.ID = s.free(r.Made)
	body, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(tmp, recordName), append(body, '\n'), 0o600)
	}
	if err == nil {
		err = syncAll(tmp)
	}
	if err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, s.path(r.ID), unix.RENAME_NOREPLACE)
	}
	if err == nil {
		err = syncFolder(s.Dir)
	}
	if err != nil {
		return Record{}, fmt.Errorf("make snapshot: %w", err)
	}
	return r, nil
}

func (s Shelf) path(id string) string { return filepath.Join(s.Dir, id) }

// Tree is the folder with the copy itself.
func (s Shelf) Tree(r Record) string { return filepath.Join(s.path(r.ID), treeName) }

// free is a name that none has.
func (s Shelf) free(made time.Time) string {
	id := made.Format("20060102-150405")
	for n := 2; ; n++ {
		if _, err := os.Lstat(s.path(id)); errors.Is(err, fs.ErrNotExist) {
			return id
		}
		id = fmt.Sprintf("%s-%d", made.Format("20060102-150405"), n)
	}
}

// List is every snapshot, the oldest first; none where there is no shelf.
func (s Shelf) List() ([]Record, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var all []Record
	for _, e := range entries {
		if !idForm().MatchString(e.Name()) {
			continue
		}
		r, err := s.read(e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Record) int { return a.Made.Compare(b.Made) })
	return all, nil
}

func (s Shelf) read(id string) (Record, error) {
	body, err := os.ReadFile(filepath.Join(s.path(id), recordName))
	var head struct { // whatever else is in it need not have the form that this program reads
		Format int `json:"format"`
	}
	if err == nil && json.Unmarshal(body, &head) == nil && head.Format > recordFormat {
		err = &state.Newer{File: recordName, Have: head.Format, Know: recordFormat}
	}
	var r Record
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err == nil && (r.Format != recordFormat || r.ID != id) {
		err = fmt.Errorf("format %d of %q: want %d of %q", r.Format, r.ID, recordFormat, id)
	}
	if err != nil {
		return Record{}, fmt.Errorf("read snapshot %q: %w", id, err)
	}
	return r, nil
}

// Find is the snapshot called id. The error may be *Unknown.
func (s Shelf) Find(id string) (Record, error) {
	if idForm().MatchString(id) {
		if _, err := os.Lstat(s.path(id)); err == nil {
			return s.read(id)
		}
	}
	all, err := s.List()
	if err != nil {
		return Record{}, err
	}
	unknown := &Unknown{ID: id}
	for _, r := range all {
		unknown.Have = append(unknown.Have, r.ID)
	}
	return Record{}, unknown
}

// Remove removes one: first from its name.
func (s Shelf) Remove(id string) error {
	r, err := s.Find(id)
	if err != nil {
		return err
	}
	away := filepath.Join(s.Dir, making+"gone-"+r.ID)
	if err := os.Rename(s.path(r.ID), away); err != nil {
		return fmt.Errorf("remove snapshot %q: %w", id, err)
	}
	return state.RemoveTree(away)
}

// Restore makes workspace what r holds. What it was until now becomes a
// snapshot of its own, described by now: a copy of r is put on the shelf under
// that name, and then it and the workspace change places with one rename(2), so
// that a crash leaves the one or the other and loses neither. Nobody uses the
// workspace meanwhile.
func (s Shelf) Restore(ctx context.Context, workspace string, r, now Record) (Record, error) {
	if err := s.Room(ctx, s.Tree(r)); err != nil {
		return Record{}, err
	}
	m, err := Measure(ctx, workspace)
	if err != nil {
		return Record{}, err
	}
	now.Files, now.Bytes = m.Files, m.Bytes
	tmp, err := s.scratch()
	if err != nil {
		return Record{}, err
	}
	copied, err := Copy(ctx, s.Tree(r), filepath.Join(tmp, treeName))
	if err == nil && copied.Changed > 0 {
		err = fmt.Errorf("restore snapshot %q: it changed meanwhile", r.ID)
	}
	if err == nil {
		now, err = s.keep(tmp, now)
	}
	if err != nil {
		return Record{}, errors.Join(err, state.RemoveTree(tmp))
	}
	if err := exchange(s.Tree(now), workspace); err != nil {
		return Record{}, errors.Join(err, s.Remove(now.ID))
	}
	return now, nil
}

// exchange has two folders change places.
func exchange(a, b string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("restore the workspace: %w", err)
	}
	return errors.Join(syncFolder(filepath.Dir(a)), syncFolder(filepath.Dir(b)))
}

// Room asks before the work begins whether it can end. Where blocks are shared
// it costs next to nothing, but whether they are is known only afterwards.
func (s Shelf) Room(ctx context.Context, tree string) error {
	m, err := Measure(ctx, tree)
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(s.Dir), &st); err != nil {
		return nil // the writes will tell
	}
	if have := int64(st.Bavail) * st.Bsize; have < m.OnDisk && !shares(filepath.Dir(s.Dir)) {
		return &NoRoom{Dir: s.Dir, Need: m.OnDisk, Have: have}
	}
	return nil
}
