// Package carry brings blueprints to and from other places: any OCI registry, a
// folder or a tarball that is an OCI image layout.
//
// What is carried is the OCI artifact as it lies in the store: its image
// manifest under the tag VERSION, its files, and its signature under the tag
// sha256-HEX.sig, and its bill of materials under sha256-HEX.sbom. Packages that a lockfile names are not carried; they are
// fetched when the blueprint is first used, and checked against it.
//
// Runs in: the operator's commands.
// Reads:   hostile bytes: whatever a registry answers, a layout holds, a
// publisher signed.
// Touches: the network or the given folder; the store, only once all bytes were
// checked and the signature counts. Everything is held in memory until then,
// within bounds.
// Fails:   closed, with *blueprint.Mismatch, *blueprint.Untrusted, *store.Older,
// *store.BuiltIn or *Unreachable.
// Proved by: TestThereAndBack, TestRegistryThatLies, TestRegistryThatHangs,
// TestRefused, TestFolderRefused.
package carry
