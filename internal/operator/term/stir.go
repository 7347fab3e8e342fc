package term

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// lookBlindly is how often is looked where the kernel does not say what
// happens in a folder: a limit is reached, or it lies on another machine.
const lookBlindly = time.Second

// stirs says when something came into a folder or went from it, until ctx ends.
// A folder that is not there is waited for by the nearest one above it.
func stirs(ctx context.Context, dirs ...string) <-chan struct{} {
	out := make(chan struct{}, 1)
	w, err := fsnotify.NewWatcher()
	if err != nil {
		go blindly(ctx, out)
		return out
	}
	seen := watchAll(w, dirs)
	if !seen {
		w.Close()
		go blindly(ctx, out)
		return out
	}
	go func() {
		defer w.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case e, open := <-w.Events:
				if !open {
					return
				}
				if !e.Has(fsnotify.Create) && !e.Has(fsnotify.Remove) && !e.Has(fsnotify.Rename) {
					continue
				}
			case _, open := <-w.Errors: // too much at once: something was missed
				if !open {
					return
				}
			}
			watchAll(w, dirs)
			poked(out)
		}
	}()
	return out
}

// watchAll watches each folder, or what is nearest above it; watching again is
// nothing new. False: one of them cannot be watched.
func watchAll(w *fsnotify.Watcher, dirs []string) bool {
	all := true
	for _, dir := range dirs {
		err := w.Add(dir)
		for at := dir; err != nil && at != filepath.Dir(at); {
			at = filepath.Dir(at)
			err = w.Add(at)
		}
		all = all && err == nil
	}
	return all
}

func blindly(ctx context.Context, out chan<- struct{}) {
	again := time.NewTicker(lookBlindly)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			poked(out)
		}
	}
}

// poked leaves word that a look is due, where none is yet.
func poked(due chan<- struct{}) {
	select {
	case due <- struct{}{}:
	default:
	}
}
