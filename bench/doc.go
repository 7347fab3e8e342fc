// Command bench measures what nemoclaw promises about speed and memory, beside
// the programs that a person would otherwise use, and prints ratios: all
// contenders take turns in one run on one machine, so that what disturbs one
// disturbs them all.
//
//	go run ./bench                 measure and print
//	go run ./bench -write          and put the table into docs/benchmarks.md
//	go run ./bench -only start,gate
//
// Runs in: the repository, by hand or by `make bench`; after `make build`.
// Reads:   bin/nemoclaw, .cache/blueprints, /proc.
// Touches: a folder of its own below .cache, deleted at the end, with sandboxes,
// a model server and ports of its own; .cache/peers, kept; docs/benchmarks.md
// with -write. Never the user's sandboxes.
// Fails:   with the cause, what it started ended. A peer that cannot take part
// is named with its reason; a goal that is missed is a line in the table and no
// failure, since a busy machine misses some.
// Proved by: its output.
package main
