// Package snapshot copies workspaces: before an upgrade, when the operator
// wants one, and back.
//
//	NAME/snapshots/ID/record.json   Record: when, why, of which blueprint
//	NAME/snapshots/ID/tree/         the copy
//	NAME/snapshots/.new-*           being made or removed; swept by the next that is made
//
// A name without a dot is whole and on disk, or not there: a copy is made under
// another name, synced, and renamed. A restore copies too, and then exchanges
// the two folders with one rename; what stood there becomes a snapshot itself,
// so that nothing is ever lost.
//
// Runs in: the operator's commands.
// Reads:   what the agent wrote, hostile: links, odd names, closed folders, devices.
// Touches: the sandbox's snapshots and, in a restore, its workspace. Nothing
// below a workspace is opened by a path: each step is openat2(2) from an open
// folder, beneath it, through no link and no mount. Copies share their blocks
// (FICLONE) where the file system can, else they are copies; never hard links
// to what an agent can still write.
// Fails:   with the place named, and nothing but a .new-* folder left.
// Proved by: TestCopyIsTheSame, TestCopyStaysInside, TestCopyWhileItChanges,
// TestRestore, TestKilledAnywhere, TestArchive*, FuzzArchive.
package snapshot
