// Package internet gives a test binary a private world: a machine whose
// network is a whole internet that ends inside the machine.
//
//	func TestMain(m *testing.M) { internet.Main(m) }
//
//	func TestDial(t *testing.T) {
//		world := internet.Use(t)
//		http.Get("https://api.github.com/")   // really dialled, never leaves
//		world.To("api.github.com")            // what arrived there
//	}
//
// Every name has a public-looking address, every address is local, port 80
// answers HTTP, port 443 answers TLS for any name, every other port echoes.
// Everything that arrives is kept for the test to look at. Programs that the
// test starts live in the same world and need not know.
//
// NewInside makes a network namespace as a sandbox has one (all TCP captured,
// the rest refused and logged), for tests of the gate without a sandbox.
//
// Main runs the test binary three times: the caller outside waits, the keeper
// is PID 1 of the new namespaces and builds them, and the tests run as its
// child, as the user who called and with that user's rights. What crosses is
// argv[0] and declared descriptors. With testscript, write
// testscript.Main(internet.M{M: m}, commands).
//
// Runs in: test binaries only.
// Reads:   the machine's certificate bundle.
// Touches: namespaces of its own (mount, network, pid, ipc, and user where the
// caller is not root); of the machine, one temporary folder.
// Fails:   where namespaces cannot be made, Use skips and says what is needed.
// Proved by: this package's own tests.
package internet
