package store

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store/registry"
)

const (
	atOnce    = 8 // downloads
	attempts  = 5 // of one download
	firstRest = 500 * time.Millisecond
	longRest  = 30 * time.Second // the most that a registry's Retry-After is obeyed
	stalled   = 30 * time.Second // without a byte, a download is begun again
)

// parcel is one thing to fetch; what its bytes are is known before they come.
type parcel struct {
	name string // for people: NAME@VERSION
	sum  blueprint.Digest
	open func(ctx context.Context, offset int64) (registry.Tarball, error)
}

// fetch brings every parcel into the cache and checks those that are there
// already: when it returns nil, each blob has been read whole and is right.
func (s *Store) fetch(ctx context.Context, parcels []parcel, m *meter) error {
	once := map[blueprint.Digest]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, p := range parcels {
		if once[p.sum] {
			m.file()
			continue
		}
		once[p.sum] = true
		group.Go(func() error {
			d := download{store: s, meter: m, parcel: p}
			return d.run(ctx)
		})
	}
	return group.Wait()
}

// download is one parcel on its way into the cache.
type download struct {
	parcel
	store *Store
	meter *meter

	file    *os.File  // partial/HEX, locked
	hash    hash.Hash // of the first at bytes of file
	at      int64
	resumed bool // file holds bytes of an earlier process
}

func (d *download) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	have, err := d.cached()
	if have || err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer func() { d.file.Close() }()
	if have, err := d.cached(); have || err != nil {
		return err // another process was quicker
	}
	d.meter.item(d.name)
	if err := d.read(ctx); err != nil {
		return err
	}
	return d.finish()
}

// cached says whether the blob is in the cache; there, it must be right.
func (d *download) cached() (bool, error) {
	file, err := openBlob(d.store.blobPath(d.sum))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	h := d.sum.New()
	n, err := io.Copy(h, file)
	if err != nil {
		return false, err
	}
	if got := blueprint.Finish(h); got != d.sum {
		return false, &blueprint.Mismatch{What: "cached package " + d.name, Want: d.sum, Got: got}
	}
	d.meter.had(n)
	d.meter.file()
	return true, nil
}

// begin opens and locks partial/HEX, and hashes what an interrupted download
// left in it.
func (d *download) begin(ctx context.Context) error {
	name := d.store.path("partial", d.sum.Hex())
	for {
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return fmt.Errorf("fetch %s: %w", d.name, err)
		}
		if err := flock(ctx, file, unix.LOCK_EX, nil); err != nil {
			return err
		}
		if !stillThere(file, name) {
			file.Close() // renamed or removed while we waited for its lock
			continue
		}
		d.file, d.hash = file, d.sum.New()
		d.at, err = io.Copy(d.hash, file)
		d.resumed = d.at > 0
		d.meter.had(d.at)
		return err
	}
}

// read downloads until the bytes are right. Bytes that an earlier process left
// may have been damaged by a crash, so a wrong digest with them in it is no
// verdict yet: the whole is fetched once more.
func (d *download) read(ctx context.Context) error {
	if d.resumed && blueprint.Finish(d.hash) == d.sum {
		return nil
	}
	if err := d.stream(ctx); err != nil {
		return err
	}
	if blueprint.Finish(d.hash) != d.sum && d.resumed {
		if err := d.again(); err != nil {
			return err
		}
		if err := d.stream(ctx); err != nil {
			return err
		}
	}
	if got := blueprint.Finish(d.hash); got != d.sum {
		os.Remove(d.file.Name())
		return &blueprint.Mismatch{What: "package " + d.name, Want: d.sum, Got: got}
	}
	return nil
}

// stream asks until the registry has sent the tarball to its end, each time
// from where the last answer broke off.
func (d *download) stream(ctx context.Context) error {
	for try := 1; ; try++ {
		err := d.once(ctx)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		rest, again := patience(err, try)
		if !again {
			return err
		}
		if err := wait(ctx, rest); err != nil {
			return err
		}
	}
}

// once appends one answer to the file.
func (d *download) once(ctx context.Context) error {
	ctx, watch := newWatch(ctx)
	defer watch.stop()
	t, err := d.open(ctx, d.at)
	if err != nil {
		return watch.why(err)
	}
	defer t.Body.Close()
	if t.Offset != d.at {
		if err := d.again(); err != nil {
			return err
		}
	}
	body := io.LimitReader(watch.reader(t.Body), d.store.bounds.tarball-d.at+1)
	n, err := io.Copy(io.MultiWriter(d.file, d.hash, d.meter), body)
	d.at += n
	if d.at > d.store.bounds.tarball {
		return &Hostile{Package: d.name, Why: fmt.Sprintf("more than %d bytes", d.store.bounds.tarball)}
	}
	if err != nil {
		return watch.why(fmt.Errorf("fetch %s: %w", d.name, err))
	}
	return nil
}

// again forgets what was read.
func (d *download) again() error {
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	d.meter.bytes(-d.at)
	d.hash.Reset()
	d.at, d.resumed = 0, false
	return nil
}

// finish gives the right bytes their name.
func (d *download) finish() error {
	d.store.reach("sync download")
	if err := unix.Fdatasync(int(d.file.Fd())); err != nil {
		return fmt.Errorf("fetch %s: %w", d.name, err)
	}
	d.store.reach("rename download")
	if err := os.Rename(d.file.Name(), d.store.blobPath(d.sum)); err != nil {
		return fmt.Errorf("fetch %s: %w", d.name, err)
	}
	d.meter.file()
	return nil
}

// patience says how long to rest before try+1, and whether there is one.
func patience(err error, try int) (time.Duration, bool) {
	var status *registry.Status
	var none *registry.None
	var gone *registry.Gone
	var hostile *Hostile
	var full *fs.PathError // our own disk
	switch {
	case try >= attempts || errors.As(err, &none) || errors.As(err, &gone) || errors.As(err, &hostile) || errors.As(err, &full):
		return 0, false
	case errors.As(err, &status):
		return min(max(status.After, firstRest<<(try-1)), longRest), status.Passing()
	}
	return firstRest << (try - 1), true
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func openBlob(file string) (*os.File, error) {
	return os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW, 0)
}

// stillThere says whether name is still the open file.
func stillThere(file *os.File, name string) bool {
	now, err := os.Lstat(name)
	if err != nil {
		return false
	}
	mine, err := file.Stat()
	return err == nil && os.SameFile(now, mine)
}
