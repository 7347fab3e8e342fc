// Package host says what this machine can do, and what of it is missing for a
// sandbox, with the remedy in words.
//
// Runs in: the command line and the supervisor, before anything is started.
// Reads:   /proc, /sys, /etc and the kernel's own answers.
// Touches: nothing that lasts: a temporary folder and one thread to try
// Landlock in, one clone that never becomes a program. It makes such folders for
// others, too, and takes away those whose maker was killed.
// Fails:   by saying so: what cannot be seen is not claimed.
// Proved by: TestMissing, TestReadFixtures, TestLookHere, TestKilledLook.
//
// An ABI number or a sysctl is a promise; where it is cheap the thing itself is
// tried, and the trial is believed.
package host
