// Package cgroup gives one sandbox its share of the machine: memory,
// processes and CPU, by a control group of its own.
//
// Runs in: the supervisor; Sweep in the command line, too.
// Reads:   /proc/self/cgroup, /proc/self/mountinfo.
// Touches: one folder of the control group file system, which it removes, and
// those that killed supervisors of the same user left behind.
// Fails:   open, and says so: where no group can be had (no delegation), or none
// with a controller, Held names what is not limited, and status shows it. The limits are no wall.
// Proved by: TestLimitsHold, TestWithoutOneController, TestPlace, TestSweep, TestMakeBesideASweep; all of them on
// v1 and, by TestVersion2, on v2; without any, test/e2e TestNoControlGroups.
//
// See Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
package cgroup
