package store

import "fmt"

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
		return fmt.Sprintf("unpack package %s: %s", h.Package, h.Why)
	}
	return fmt.Sprintf("unpack package %s: entry %q: %s", h.Package, h.Entry, h.Why)
}
