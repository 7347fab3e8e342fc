// Package limit takes away from a process of ours, on all of its threads and
// for good, what it does not need: capabilities, files (Landlock) and system
// calls (seccomp). It proves that by trying.
//
// Runs in: the supervisor and its clerk, once they have opened what they need
// and before the first byte of the agent is read.
// Reads:   nothing.
// Touches: the calling process alone.
// Fails:   closed. An error means that nothing, or not all, was taken: the
// process must end, and the sandbox with it.
// Proved by: TestTable here, supervisor.TestSupervisorLimits, clerk.TestClerkLimits.
//
// What stays is a list: of folders beneath which files may be used, of system
// calls (kept), and of the one process that may be signalled. Landlock cannot
// take a folder out of a folder that it grants, so a sandbox's own folder,
// which has the workspace in it, is never granted to the supervisor; what lies
// in it directly is the clerk's to read and write.
//
// A program that was built with the race detector keeps, beside that, the folder for
// its reports (race.go); no other has that file.
//
// What no limit knows: metadata can be looked at everywhere (stat(2)), and
// what was opened before stays open.
package limit
