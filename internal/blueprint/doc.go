// Package blueprint says exactly what is inside a sandbox, and proves it.
//
// A recipe (a folder in blueprints/NAME/VERSION) is what people write. Build
// makes an Artifact of it: an OCI image manifest whose config is our Manifest
// and whose layers are the files that the manifest names. The digest of that
// OCI manifest is the blueprint's digest, and covers everything: it names the
// Manifest, which names the lockfiles, which name the hash of every package.
//
// Runs in: the operator's commands and the supervisor.
// Reads:   hostile bytes (manifests, lockfiles), the recipes embedded in the program.
// Touches: nothing. Fetching, caching and unpacking is store's.
// Fails:   closed. What is not exactly in form, or has no digest, does not parse.
// Proved by: TestManifestRefuses, TestLockRefuses, TestBuiltin, TestDefaultPolicies,
// TestPinnedBase*, TestDebianLockRefuses, FuzzDebianLock,
// TestSigners, TestDifferences, FuzzManifest, FuzzLock, FuzzSignature.
package blueprint
