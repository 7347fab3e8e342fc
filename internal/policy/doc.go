// Package policy turns the operator's files into rules, and a request and the
// rules into a verdict that says why.
//
// Runs in: the supervisor and the operator's commands.
// Reads:   the text of network-policy.yaml and inference.yaml, which the caller
// has read; requests, whose hosts and addresses are the agent's.
// Touches: nothing: no file, no network, no clock, no log. Time is passed in.
// Fails:   closed. A file with any problem gives no policy; a nil or zero Policy
// denies everything; the zero Verdict is a denial.
// Proved by: FuzzParse, FuzzParseAfter, FuzzDecide, FuzzAddr, FuzzPath, FuzzEdit, FuzzCompare, FuzzLearn, TestParseProblems,
// TestDecide, TestDecideAddr.
//
// # network-policy.yaml
//
//	egress:                                  # what may be reached, first match wins
//	  - host: "api.github.com"               # a name, "*.x.com" (one label), "**.x.com"
//	    port: 443                            # (any depth, not x.com itself), an address or a CIDR
//	  - host: "*.githubusercontent.com"
//	    ports: [80, 443]
//	    binaries: [/usr/bin/git]             # else any program
//	    http:                                # only these requests; "*" one segment, "**" any
//	      - methods: [GET, HEAD]
//	        paths: ["/repos/**"]
//	    credential: github                   # a stored secret, added at the gate; only with http
//	    addresses: [10.0.0.0/8]              # private addresses that the name may have
//	    expires: 2026-12-31T00:00:00Z
//	    note: "read-only"
//	deny:                                    # wins over egress; without port: every port
//	  - host: "suspicious-host.com"
//	unlisted: ask                            # ask | deny
//	hold: 8s                                 # how long a connection waits for the answer
//
// 127.0.0.1, localhost, host.docker.internal and host.nemoclaw.internal are one
// destination: the loopback of the host.
//
// # inference.yaml
//
//	routes:                                  # first match wins; "*" is any run of characters
//	  - model: "*"
//	    to: ollama/qwen3:8b                  # provider/model, or a list: the rest are fallbacks
//	providers:
//	  ollama: {url: "http://127.0.0.1:11434"}
//	  nvidia: {url: "https://integrate.api.nvidia.com/v1", key: nvidia}
//	limits: {requests_per_minute: 60, tokens_per_day: 2000000, body_bytes: 33554432}
//	log: full                                # full | metadata
//	fetch: refuse                            # refuse | allow: what a request names by its address
//
// Values made here are never changed afterwards and may be used by any number
// of goroutines at once.
package policy
