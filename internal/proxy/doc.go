// Package proxy is the company's HTTP proxy, where a machine has one: how it is
// read from the environment, written into sandbox.yaml, and who goes through it.
//
// Runs in: onboarding, and the supervisor.
// Reads:   HTTPS_PROXY, HTTP_PROXY and NO_PROXY at onboarding; sandbox.yaml later.
// Touches: nothing.
// Fails:   with an error that says what is not understood: a proxy that is named
// and not used would be a sandbox without a network.
// Proved by: TestFromEnvironment, TestParse, TestDirect; egress.TestUpstream.
//
// Only plain HTTP to the proxy is spoken. What the agent sends through it is
// its own TLS, which the proxy cannot read.
package proxy
