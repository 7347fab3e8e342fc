// Package store keeps blueprints on disk: it fetches what they consist of,
// checks every byte, and unpacks it once for all sandboxes.
//
// The folder is an OCI image layout with three neighbours:
//
//	oci-layout, index.json   which blueprints are here, by NAME@VERSION
//	blobs/sha256/HEX         their manifests and files
//	blobs/sha512/HEX         tarballs of packages, as the registry gave them
//	blobs/sha256/HEX         also the files of Debian packages, as a mirror gave them
//	partial/HEX              downloads that were interrupted; continued next time
//	content/HEX-OS-ARCH/     unpacked: tree/, its index, and the index's digest; HEX
//	                         is of what decides it, so that versions with the same
//	                         files share one; pinned bases too
//	signatures/HEX           signed notes, as publishers gave them
//	seen.json                the newest version of each name that was ever taken
//	locks/                   flock(2) files between processes
//
// A name below blobs or content is either whole and checked or not there:
// everything is made under another name, synced, and renamed.
//
// Lock order between processes: locks/all (shared by Ensure, exclusive by
// Clear), then one blueprint's, then its base's or its content's, then one
// download's or the index's.
//
// Runs in: the operator's commands. Verify also in the supervisor.
// Reads:   hostile bytes (what a registry answers, tarballs, the cache itself).
// Touches: its own folder; the network, only where packages are missing; npm,
// asked for its registry only where no file or variable names one.
// Fails:   closed, with a *blueprint.Mismatch where bytes are not the right
// ones. Nothing is unpacked before all bytes are checked, and nothing damaged
// is mended in silence.
// Proved by: TestEnsure*, TestTarballRefused, TestVerifyFinds, TestCacheTampered, TestClear*, TestTwoProcesses,
// TestBase*, TestDebRefused, FuzzDeb, TestLayerRefused, TestLayerSwapped, TestDiskFull, TestKilled, FuzzLayer.
package store
