package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// Tarball is a package on its way.
type Tarball struct {
	Body   io.ReadCloser
	Offset int64 // of the first byte of Body: what was asked for, or 0
	Size   int64 // of the whole tarball, -1 where the registry does not say
}

// Status is an answer that is no tarball.
type Status struct {
	Code  int
	What  string        // the package
	Host  string        // who said so
	After time.Duration // how long it wants to be left alone; 0 where it does not say
}

func (s *Status) Error() string {
	return fmt.Sprintf("fetch %s from %s: %d %s", s.What, s.Host, s.Code, http.StatusText(s.Code))
}

// Hint is what helps.
func (s *Status) Hint() string {
	switch s.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "npm login: the registry that npm's configuration names wants other credentials"
	case http.StatusNotFound:
		return "npm config get registry: that registry does not have the package"
	}
	return "try again: what was fetched is kept"
}

// Passing says whether the same request may succeed later.
func (s *Status) Passing() bool {
	return s.Code == http.StatusTooManyRequests || s.Code == http.StatusRequestTimeout || s.Code >= 500
}

// maxMetadata bounds what a registry says about one package.
const maxMetadata = 64 << 20

// Tarball asks for the tarball of a package, from offset on. The caller closes
// Body. First the place is asked where registries keep tarballs; one that keeps
// them elsewhere answers 404 and is asked where.
func (r *Registry) Tarball(ctx context.Context, name, version string, offset int64) (Tarball, error) {
	what := name + "@" + version
	usual := r.at(name).JoinPath(name, "-", path.Base(name)+"-"+version+".tgz")
	got, err := r.tarball(ctx, what, usual, offset)
	var status *Status
	if !errors.As(err, &status) || status.Code != http.StatusNotFound {
		return got, err
	}
	told, err := r.locate(ctx, name, version)
	if err != nil {
		return Tarball{}, err
	}
	return r.tarball(ctx, what, told, offset)
}

func (r *Registry) at(name string) *url.URL {
	scope, _, scoped := strings.Cut(name, "/")
	if base := r.scopes[scope]; scoped && base != nil {
		return base
	}
	return r.base
}

func (r *Registry) tarball(ctx context.Context, what string, from *url.URL, offset int64) (Tarball, error) {
	header := http.Header{}
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := r.get(ctx, from, header)
	if err != nil {
		return Tarball{}, fmt.Errorf("fetch %s: %w", what, err)
	}
	if resp.StatusCode == http.StatusPartialContent && rangeStart(resp) == offset {
		size := int64(-1)
		if resp.ContentLength >= 0 {
			size = offset + resp.ContentLength
		}
		return Tarball{Body: resp.Body, Offset: offset, Size: size}, nil
	}
	if resp.StatusCode == http.StatusOK {
		return Tarball{Body: resp.Body, Size: resp.ContentLength}, nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0 {
		return r.tarball(ctx, what, from, 0)
	}
	return Tarball{}, refused(resp, what, from)
}

// rangeStart is the first byte of a partial answer, -1 where it does not say.
func rangeStart(resp *http.Response) int64 {
	first, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func refused(resp *http.Response, what string, from *url.URL) error {
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return &Status{Code: resp.StatusCode, What: what, Host: from.Host, After: time.Duration(max(seconds, 0)) * time.Second}
}

// locate asks the registry where the tarball of a version lies.
func (r *Registry) locate(ctx context.Context, name, version string) (*url.URL, error) {
	from := r.at(name)
	from, err := url.Parse(strings.TrimSuffix(from.String(), "/") + "/" + url.PathEscape(name))
	if err != nil {
		return nil, err
	}
	resp, err := r.get(ctx, from, http.Header{"Accept": {"application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"}})
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refused(resp, name, from)
	}
	var about struct {
		Versions map[string]struct {
			Dist struct {
				Tarball string `json:"tarball"`
			} `json:"dist"`
		} `json:"versions"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxMetadata)).Decode(&about); err != nil {
		return nil, fmt.Errorf("fetch %s: read what the registry says of it: %w", name, err)
	}
	told, err := url.Parse(about.Versions[version].Dist.Tarball)
	if err != nil || told.Host == "" || told.Scheme != "http" && told.Scheme != "https" {
		return nil, &Status{Code: http.StatusNotFound, What: name + "@" + version, Host: from.Host}
	}
	return told, nil
}

func (r *Registry) get(ctx context.Context, from *url.URL, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	if auth := r.credentials(from); auth != "" {
		req.Header.Set("Authorization", auth)
	}
	return r.client.Do(req)
}

// credentials are those that the configuration has for the longest part of the
// URL's place (//HOST/PATH/), so that no other host ever sees them.
func (r *Registry) credentials(to *url.URL) string {
	for place := to.EscapedPath(); ; {
		key := "//" + to.Host + strings.TrimSuffix(place, "/") + "/:"
		if token := r.set[key+"_authToken"]; token != "" {
			return "Bearer " + token
		}
		if basic := r.set[key+"_auth"]; basic != "" {
			return "Basic " + basic
		}
		password, err := base64.StdEncoding.DecodeString(r.set[key+"_password"])
		if user := r.set[key+"username"]; user != "" && err == nil && len(password) > 0 {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+string(password)))
		}
		if place == "" || place == "/" {
			return ""
		}
		place, _ = path.Split(strings.TrimSuffix(place, "/"))
	}
}
