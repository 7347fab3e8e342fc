// Package secret keeps keys at rest: one age file a secret, in the home folder.
//
// Runs in: the command line, which sets them, and the supervisor, which reads
// those of its own sandbox. Never inside a sandbox.
// Reads:   its own folder; an identity that others can read is refused.
// Touches: its own folder, by durable writes.
// Fails:   with errors that name the secret and never show it.
// Proved by: TestSetAndGet, TestNothingIsShown, TestAnOpenIdentityIsRefused, FuzzName.
//
// The identity lies beside the files it opens, mode 0600, so encryption keeps
// a value out of backups of single files, greps and screenshots; it does not
// keep it from who can read the whole folder. The files are plain age
// (age-encryption.org/v1): `age -d -i identity.txt NAME.age` opens one.
package secret
