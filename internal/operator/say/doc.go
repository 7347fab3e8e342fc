// Package say is the operator's voice: where output goes, what an error looks
// like, and what a string that came from a sandbox may do to a terminal.
//
// Runs in: the command line and the wizard; the views use its Clean.
// Reads:   strings that an agent may have chosen.
// Touches: the three standard streams, nothing else.
// Fails:   never: a stream that is closed ends the program's interest in it.
// Proved by: TestClean, FuzzClean, TestFail.
//
// The rules of output:
//
//   - results go to stdout, and nothing else does;
//   - news (progress, warnings, questions) goes to stderr;
//   - an error is "error: act: thing: cause" on stderr, and on the next line
//     "→ " and the command that helps;
//   - --json prints for programs: one value, or one object a line;
//   - colour only where stdout is a terminal and NO_COLOR is not set;
//   - everything that a sandbox can influence goes through Clean.
package say
