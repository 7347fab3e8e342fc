// Package state knows where things lie on disk: the home folder, a sandbox's
// folder, its settings, its locks, and how a file is written so that a crash
// leaves the old or the new one and nothing between.
//
// Runs in: the command line and the supervisor, on the host's side.
// Reads:   sandbox.yaml, which the operator may have edited by hand.
// Touches: the home folder alone; nothing below a workspace once the sandbox has lived.
// Fails:   with typed errors that carry a hint; a half-made sandbox is never seen under its name.
// Proved by: TestCreateLeavesNothingHalfMade, TestLockIsHeldOnce, TestEditedSettings, TestDeepTreeIsRemoved, FuzzName.
//
// The layout, below $NEMOCLAW_HOME or ~/.nemoclaw:
//
//	NAME/sandbox.yaml         Settings; its digest is locked in the active generation
//	NAME/network-policy.yaml  hot
//	NAME/inference.yaml       hot
//	NAME/workspace/           the sandbox's /sandbox
//	NAME/generations/N/       one an upgrade or rebuild, with the digest that is locked
//	NAME/active               link to generations/N, switched atomically
//	NAME/authority.pem        its certificate authority, with the key
//	NAME/trust/               the certificates that its programs trust
//	NAME/audit/               the book
//	NAME/run/                 lock, control socket, logs
//	blueprints/ secrets/ anchors/
//	(every file, with its form and version: docs/files.md)
//	.new-* .gone-*            being made, being removed; swept when their maker is gone
//
// Reading never writes: Find, List, Load and every path make nothing.
package state
