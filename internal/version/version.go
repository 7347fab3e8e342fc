package version

// String is set by the linker (Makefile); a plain `go build` is "dev".
var String = "dev"
