// Package preset gives the rules of a preset: those of its file, or those that
// a tool's own configuration on this machine names.
//
// Runs in: the operator's commands.
// Reads:   the presets in the program; the answers of npm, pip, go and docker,
// and docker's config.json, which are the operator's.
// Touches: starts those tools, by argument lists, in the root folder (so that no
// project's own configuration or module has a say) and for thirty seconds at most.
// Fails:   with a hint, and no rule, where a tool is missing or says nothing.
// Proved by: TestContract, TestContractOfRequests, TestTools.
//
// What a tool answers may hold a password (https://user:password@mirror): only
// the host and the port of it are kept, and an answer is never shown.
package preset
