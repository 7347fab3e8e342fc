// Package machine gives a test a machine of another kind than its own, a system as
// people have it: Debian 12 with its own kernel and systemd, whose control groups are
// all of version 2 and whose Landlock is the oldest that a sandbox starts with; and
// Debian with the newest kernel that is made for it.
//
//	said := machine.Debian.Run(t, repository, dir)   // boots, runs dir/run there as root, switches off
//
// It is emulated, so that it needs no right and nothing of the processor's: what takes
// a second here takes ten there.
//
// Runs in: tests.
// Reads:   what test/machine/install.sh made.
// Touches: the test's temporary folder, one process; the machine's disk is thrown away.
// Fails:   the test; skips it where the machine was not made.
// Proved by: test/e2e TestOnDebian, TestOnNewest.
package machine
