package carry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Place is where a blueprint comes from or goes to: a tag in a registry, in a
// folder, or in a tarball.
type Place struct {
	text     string
	Tag      string // "" where it was not said
	target   oras.ReadOnlyTarget
	writable oras.Target // nil where it can only be read
}

func (p Place) String() string { return p.text }

// Bounds of patience with a registry.
const (
	headers  = 20 * time.Second // until it begins to answer
	wholeFor = 5 * time.Minute  // one exchange: blueprints are small
)

// Open reads HOST[:PORT]/NAME[:TAG], the name of a folder, or that of a .tar
// file; the latter two begin with "/", "./" or "../". A folder is made where
// there is none and write says so.
func Open(ctx context.Context, text string, write bool) (Place, error) {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		return openLocal(ctx, text, write)
	}
	ref, err := registry.ParseReference(text)
	if err != nil {
		return Place{}, &BadPlace{Text: text, Why: err}
	}
	repo, err := remote.NewRepository(ref.Registry + "/" + ref.Repository)
	if err != nil {
		return Place{}, &BadPlace{Text: text, Why: err}
	}
	repo.PlainHTTP = loopback(ref.Registry)
	repo.Client = client()
	repo.MaxMetadataBytes = maxManifest
	return Place{text: text, Tag: ref.Reference, target: repo, writable: repo}, nil
}

// BadPlace is a text that names no place.
type BadPlace struct {
	Text string
	Why  error
}

func (b *BadPlace) Error() string { return fmt.Sprintf("place %q: %v", b.Text, b.Why) }

// Unwrap gives the cause.
func (b *BadPlace) Unwrap() error { return b.Why }

// Hint says what to write.
func (b *BadPlace) Hint() string {
	return "HOST/NAME[:TAG] of a registry, or a folder or .tar file that begins with ./ or /"
}

func openLocal(ctx context.Context, text string, write bool) (Place, error) {
	path, tag := text, ""
	if i := strings.LastIndex(text, ":"); i > strings.LastIndex(text, "/") {
		path, tag = text[:i], text[i+1:]
	}
	p := Place{text: text, Tag: tag}
	switch tar := filepath.Ext(path) == ".tar"; {
	case tar && write:
		return Place{}, &BadPlace{Text: text, Why: fmt.Errorf("a tarball is not written to: push to a folder, and tar it")}
	case tar:
		s, err := oci.NewFromTar(ctx, path)
		if err != nil {
			return Place{}, fmt.Errorf("open %s: %w", path, err)
		}
		p.target = s
	case write:
		s, err := oci.NewWithContext(ctx, path)
		if err != nil {
			return Place{}, fmt.Errorf("open %s: %w", path, err)
		}
		p.target, p.writable = s, s
	default:
		root, err := os.OpenRoot(path) // a layout that leads out of itself is refused
		if err != nil {
			return Place{}, fmt.Errorf("open %s: %w", path, err)
		}
		s, err := oci.NewFromFS(ctx, root.FS())
		if err != nil {
			return Place{}, fmt.Errorf("open %s: %w", path, err)
		}
		p.target = s
	}
	return p, nil
}

// loopback registries speak plain HTTP; all others must prove who they are.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// client gives up on a registry that does not answer, tries a few times where
// it says that it is busy, and shows the credentials that `docker login` kept
// in a file.
func client() *auth.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.ResponseHeaderTimeout = headers
	patient := retry.NewTransport(base)
	patient.Policy = func() retry.Policy {
		return &retry.GenericPolicy{Retryable: retry.DefaultPredicate, Backoff: retry.DefaultBackoff, MinWait: 200 * time.Millisecond, MaxWait: 2 * time.Second, MaxRetry: 3}
	}
	c := &auth.Client{Client: &http.Client{Transport: patient, Timeout: wholeFor}, Cache: auth.NewCache()}
	if s, err := credentials.NewStoreFromDocker(credentials.StoreOptions{}); err == nil {
		c.Credential = credentials.Credential(s)
	}
	return c
}
