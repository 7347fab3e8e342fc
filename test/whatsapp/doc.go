// Command whatsapp stands in for WhatsApp's server, and for the phone that links
// a device to it: for tests of linking, since the real ones cannot be reached from
// a test. It speaks what the real one speaks (a WebSocket, Noise XX with a chain of
// certificates, binary XML), by libraries that were written for the real one, as
// far as linking and logging in need it. It is a module of its own, so that those
// libraries are no dependency of the product.
//
//	whatsapp SOCKET
//
// listens on that UNIX socket and answers, over HTTP:
//
//	/ws/chat   the server: what a linked device connects to
//	/root      the public key that the server's certificates end in, as hex
//	/scan      the phone: is posted a picture (PNG), reads the QR code in it, links
//	           the device that shows it, and says what the code held
//	/log       what devices did, as JSON
//
// Runs in: a process of its own, started by test/e2e.
// Reads:   hostile bytes of nobody; a test's own device and pictures.
// Touches: that socket.
// Fails:   a device that does not prove who it is gets what the real server gives:
// a failure, and the connection ends.
// Proved by: test/e2e.TestWhatsApp, in which the real Baileys verifies each step.
package main
