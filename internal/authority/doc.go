// Package authority is the certificate authority of one sandbox: what the gates
// speak TLS with to the programs inside, where they must read what is said.
//
// Runs in: the supervisor. Its key exists there and in one file beside the
// sandbox's settings, mode 0600; never inside the walls.
// Reads:   that file, and the machine's own certificates.
// Touches: nothing; callers read and write the files.
// Fails:   with errors; an authority that has ended signs nothing more.
// Proved by: TestLeaf, TestConstraints, TestStore, TestBeyondMozilla, TestHashIsOpenSSLs, and the
// clients of test/e2e.
//
// It is a curiosity outside its sandbox: no other sandbox and nothing on the
// host trusts it. It may sign for servers alone (extended key usage), for no
// further authority (path length 0) and for no IP address (name constraints);
// leaves last a week.
//
// A Store is what the programs inside trust: the machine's certificates and
// this one, in each of the forms that OpenSSL, curl, Node, Python, Go, git and
// Java read.
package authority
