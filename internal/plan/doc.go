// Package plan turns what was decided into what will be enforced: settings,
// blueprint and the facts of the host become one confine/spec, or the reason
// why not.
//
// Runs in: the supervisor, before anything is started; and the command line,
// to show it.
// Reads:   values only.
// Touches: nothing. The same input gives the same spec.
// Fails:   closed: what cannot be enforced as asked is an error, never a lesser
// spec.
// Proved by: TestMake, TestMountsAreConfined.
package plan
