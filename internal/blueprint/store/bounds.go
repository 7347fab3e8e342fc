package store

import (
	"fmt"
	"strings"
)

// bounds are what a package and a blueprint may at most be; they stop a
// tarball that is a bomb, long before the disk is full.
type bounds struct {
	tarball int64 // bytes of one tarball
	file    int64 // bytes of one unpacked file
	pkg     int64 // unpacked bytes of one package
	files   int   // entries of one package
	name    int   // bytes of a path within a package
}

var usual = bounds{
	tarball: 1 << 30,
	file:    1 << 30,
	pkg:     2 << 30,
	files:   200_000,
	name:    1024,
}

// Hostile says that a package whose bytes are the published ones is still
// nothing that may be unpacked.
type Hostile struct {
	Package string
	Entry   string // which entry of its tarball; "" is the tarball itself
	Why     string
}

func (h *Hostile) Error() string {
	if h.Entry == "" {
		return fmt.Sprintf("unpack %s: %s", h.kind(), h.Why)
	}
	return fmt.Sprintf("unpack %s: entry %q: %s", h.kind(), h.Entry, h.Why)
}

// kind names a package so; a layer says itself what it is.
func (h *Hostile) kind() string {
	if strings.HasPrefix(h.Package, "layer ") {
		return h.Package
	}
	return "package " + h.Package
}
