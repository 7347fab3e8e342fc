// Package registry asks the package registry that npm's own configuration
// names. No registry is written down here: where neither a file nor a variable
// names one, npm is asked for its own.
//
// What is read is what npm reads outside of a project, the first that names a
// setting wins: variables npm_config_NAME (in either case), ~/.npmrc (or
// NPM_CONFIG_USERCONFIG), PREFIX/etc/npmrc (or NPM_CONFIG_GLOBALCONFIG),
// /etc/npmrc. Of it these settings count: registry, @SCOPE:registry, the
// credentials of //HOST/PATH/, cafile, ca, strict-ssl, proxy, https-proxy,
// noproxy; and NODE_EXTRA_CA_CERTS, HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
//
// Debian packages come from mirrors: those that NEMOCLAW_DEBIAN_MIRROR names,
// else those of apt's own sources.
//
// Runs in: the operator's commands.
// Reads:   the user's npm configuration; hostile bytes (what a registry answers).
// Touches: the network; runs `npm config get registry` at most once.
// Fails:   with an error that says what to set; what was fetched is not judged
// here: the caller compares its digest.
// Proved by: TestFind, TestCredentials, TestGet*, TestAptSources, TestMirrors.
package registry
