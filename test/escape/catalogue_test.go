package escape

import (
	"regexp"
	"slices"
	"strconv"
)

// verdict is what becomes of one entry of the catalogue.
type verdict string

// The verdicts. Held means that the attempt is not refused and gains nothing.
const (
	refused verdict = "refused"
	held    verdict = "held"
	residue verdict = "residue"
	later   verdict = "later"
)

// entry is one numbered attack of the catalogue: the cases of this package
// carry its number. Tests elsewhere are "folder.Test"; note says why where the
// verdict is not plain.
type entry struct {
	n    int
	wall string
	verdict
	what  string
	tests []string
	note  string
}

func tests(names ...string) []string { return names }

var numberOf = regexp.MustCompile(`^[A-E](\d+)`)

// casesOf are the cases of this package that carry number n.
func casesOf(n int) []attackCase {
	return slices.DeleteFunc(cases(), func(c attackCase) bool {
		m := numberOf.FindStringSubmatch(c.id)
		return m == nil || m[1] != strconv.Itoa(n)
	})
}

// catalogue is all of them, by number.
func catalogue() []entry {
	return slices.Concat(networkEntries(), policyEntries(), fileEntries(), processEntries(), serviceEntries(), ownEntries(), gateEntries(), routerEntries(), lastEntries())
}

const (
	network    = "network"
	filesystem = "filesystem"
	process    = "process"
	inference  = "inference"
	operator   = "operator's side"
	content    = "blueprint"
	book       = "book"

	needsGraph = "needs rules for GraphQL, JSON-RPC or MCP, which this version has not"
	opaque     = "after the TLS hello nothing is read, so the Host inside may be another of the same server"
	lends      = "`binaries` narrows honest programs; one user's programs can lend each other sockets and libraries"
)

func networkEntries() []entry {
	return []entry{
		{1, network, refused, "TCP to a public address, without proxy variables", tests("gate/egress.TestUnlistedHostIsNeverLookedUp"), ""},
		{2, network, refused, "clients that ignore proxies: curl, Node, Go, Java, raw sockets", tests("e2e.TestEveryClientGetsThrough", "gate/egress.TestRealClients", "gate/egress.TestProgramsNeedNotKnow"), ""},
		{3, network, refused, "multipath TCP", tests("confine/filter.TestPromises"), ""},
		{4, network, refused, "TCP fast open, by sendto and by option", nil, ""},
		{5, network, refused, "UDP, QUIC among it", tests("gate/egress.TestOtherProtocolsAreRefusedWithAnEvent", "e2e.TestOtherProtocolsAreRefused"), ""},
		{6, network, refused, "a DNS server of its own choice", tests("launch.TestAnyNameServerIsOurs"), "the gate answers in that server's place"},
		{7, network, refused, "SCTP, DCCP, UDP-Lite, raw and ping sockets", nil, ""},
		{8, network, refused, "packet, vsock, netlink, alg, Bluetooth, XDP, key and TIPC sockets", nil, ""},
		{9, network, refused, "sockets by io_uring", nil, "a silent ENOSYS: libraries fall back"},
		{10, network, refused, "IPv4 in IPv6: mapped, NAT64, 6to4", tests("policy.TestDecideAddr", "policy.FuzzAddr"), ""},
		{11, network, refused, "the cloud's metadata servers", tests("policy.TestDecideAddr"), ""},
		{12, network, refused, "the host's loopback and own addresses, in every spelling", tests("policy.TestParseHostRefuses", "gate/egress.TestHostsLoopbackNeedsARule"), ""},
		{13, network, refused, "an allowed name that turns out to be a private address", tests("gate/egress.TestPrivateAnswersAreNotDialled"), ""},
		{14, network, refused, "a name that changes its address between check and connect", tests("gate/egress.TestRebindingFlipIsNotFollowed"), ""},
		{15, network, refused, "any host on an allowed port, or on the gate's own", tests("gate/egress.TestGatesOwnPortAndStrayAddressesAreRefused"), ""},
		{16, network, refused, "rules, routes and interfaces of its own", nil, ""},
		{17, network, refused, "another sandbox's address, or the control socket", tests("control.TestPeerFromANestedNamespaceIsRefused", "test/escape.TestTwoSandboxesShareNothing"), ""},
		{18, network, held, "a listener reached from the LAN", tests("launch.TestEveryWallIsProved"), "the namespace has loopback only"},
		{19, network, refused, "the gate's or the router's port, taken over", nil, "the ports are taken before anything runs, and never shared"},
		{20, network, held, "a relay inside that others go through", tests("launch.TestEveryConnectionIsCaptured"), "what the relay opens is captured like the rest"},
		{21, network, refused, "a connection that outlives its rule", tests("gate/egress.TestReloadCutsWhatIsDenied", "e2e.TestRemovedRuleCutsItsConnectionsAlone"), ""},
		{22, network, refused, "a broken policy file that opens something", tests("e2e.TestMistakeInThePolicyOpensNothing", "supervisor.TestBrokenPolicyStaysOut"), ""},
		{23, network, refused, "an empty list or a mistyped key that opens something", tests("policy.TestNothingIsOpenByAccident", "policy.TestParseProblems"), ""},
		{24, network, refused, "traffic without a gate", tests("test/escape.TestNoGateNoTraffic", "launch.TestSupervisorKilled", "e2e.TestKilledSupervisorEndsEverything", "e2e.TestKilledInTheMiddleOfAStart"), ""},
	}
}

func policyEntries() []entry {
	return []entry{
		{25, network, refused, "NUL, CR, LF, space and % in a name", tests("gate/egress.TestMalformedQuestions", "policy.TestParseHostRefuses", "gate/egress.TestHeads"), ""},
		{26, network, refused, "spellings of an allowed host: case, final dot, user information, fragments", tests("policy.TestParseHost", "gate/egress.TestHeads"), ""},
		{27, network, refused, "names that begin or end like an allowed one", tests("policy.TestDecide", "policy.FuzzDecide"), ""},
		{28, network, refused, "international look-alikes", tests("policy.TestUnicode", "approval.TestLookAlikesAreFlagged"), ""},
		{29, network, refused, "a TLS hello for another host", tests("gate/egress.TestHelloMustNameTheHost"), ""},
		{30, network, refused, "no SNI, an encrypted one, a hello in pieces", tests("gate/egress.TestHelloInAnyPieces", "gate/egress.TestHelloIsForTheName", "gate/egress.TestHelloIsBounded", "gate/egress.FuzzHello"), "ECH is refused, and GREASE that looks like it"},
		{31, network, residue, "domain fronting inside TLS", tests("gate/egress.TestEveryRequestIsJudged", "gate/egress.TestStreamForAnotherHost"), opaque + "; under a rule with `http` each request and stream is judged, as plain HTTP is"},
		{32, network, refused, "smuggled HTTP: two lengths, bare LF, folded lines, HTTP/0.9", tests("gate/egress.TestHeads", "gate/egress.TestBodies", "gate/egress.FuzzHTTP", "gate/egress.TestRequestsInDisguise", "gate/egress.TestSmuggling"), ""},
		{33, network, refused, "a second request behind the first, for another host", tests("gate/egress.TestEveryRequestIsJudged", "gate/egress.TestPipelinedRequestsAreJudged"), ""},
		{34, network, refused, "two hosts in one request", tests("gate/egress.TestHeads", "gate/egress.TestSmuggling", "gate/egress.TestOverridesAreStripped"), ""},
		{35, network, refused, "CONNECT, ports nobody listed, other protocols on 443", tests("gate/egress.TestHeads", "gate/egress.TestFirstBytes", "policy.TestParsePort"), ""},
		{36, network, refused, "upgrades: h2c, HTTP/2 without TLS, extended CONNECT", tests("gate/egress.TestOtherUpgradesAreDropped", "gate/egress.TestWebSocketGoesOnAndADeclinedOneDoesNot", "gate/egress.TestWebSocket"), "HTTP/2 inside TLS is the residue of 31"},
		{37, network, refused, "tricks with paths", tests("policy.TestParsePath", "policy.FuzzPath", "gate/egress.TestRequestsAreJudged"), "what has two readings must be allowed in both"},
		{38, network, refused, "a redirect to a host nobody listed", tests("gate/egress.TestUnlistedHostIsNeverLookedUp", "gate/egress.TestCredentialDoesNotFollow"), "it is a connection of its own"},
		{39, network, refused, "data in the labels of an unlisted name", tests("gate/egress.TestUnlistedHostIsNeverLookedUp", "e2e.TestDeniedHostIsNeverLookedUp"), "nothing is looked up before the verdict"},
		{40, network, refused, "DNS over HTTPS, TLS or QUIC, mDNS", tests("gate/egress.TestOtherProtocolsAreRefusedWithAnEvent"), "they are connections like others; see A1 and A5"},
		{41, network, residue, "data sent to an allowed site that anybody can write to", nil, "who lists a host trusts it with whatever the agent knows"},
		{42, inference, residue, "data in prompts, model names and tools", tests("gate/inference.TestNothingIsFetchedForTheAgent", "gate/inference.TestBodyIsReadOneWay", "gate/inference.TestNoOtherModelBeside", "gate/inference.TestUnroutedModel", "gate/inference.TestBodyLimits", "gate/inference.TestSpend"), "the model's provider is told what the agent says; every call is in the book"},
		{43, network, refused, "tricks that make the gate emit a key to the wrong place", tests("gate/egress.TestCredentialIsAdded", "gate/egress.TestCredentialDoesNotFollow", "gate/egress.TestCredentialCannotBeDropped"), "there is no placeholder to be resolved: a header field is added, by the rule"},
		{44, inference, refused, "the provider's key, by header, error or echo", tests("gate/inference.TestKeysAreOursAlone", "gate/inference.TestKeysByEveryAPI", "gate/inference.TestAgentChoosesNoHostAndNoKey", "gate/inference.TestStoredKeysAreMaskedBeforeTheyAreUsed", "e2e.TestKeyNeverGoesIn"), ""},
		{45, network, held, "floods: slow bytes, endless heads, ten thousand connections", tests("gate/egress.TestConnectionsAreBounded", "gate/egress.TestHelloIsBounded", "gate/inference.TestHeaderTooLong", "gate/inference.TestManyLargeBodies", "gate/inference.TestManyValuesAreRefused", "gate/inference.TestGigabyteBody", "gate/inference.TestTooManyConnections", "supervisor.TestDescriptorsAreLeftForTheOperator", "supervisor.TestForwardsAreBounded", "gate/egress.TestQuestionsAreBounded"), "a sandbox has a supervisor of its own, so no other is affected"},
		{46, network, held, "a flood of questions, and look-alikes among them", tests("approval.TestFloodIsBounded", "approval.TestLookAlikesAreFlagged", "operator/term.TestLongNameIsShownToItsEnd"), ""},
		{47, operator, refused, "escape sequences in what the operator sees", tests("operator/say.TestClean", "operator/say.FuzzClean", "session.TestScreenDropsWhatActs"), ""},
		{48, operator, refused, "the agent answers its own question", tests("control.TestPeerFromANestedNamespaceIsRefused", "control.TestOnlyAWrittenAllowOpens"), ""},
		{49, network, refused, "an answer used for another program, host or port", tests("approval.TestOnceIsBoundToProgramHostAndPort", "supervisor.TestOnceIsOne"), ""},
	}
}

func fileEntries() []entry {
	return []entry{
		{50, filesystem, refused, "files of the host, and that they exist", tests("e2e.TestFilesystemWall"), ""},
		{51, filesystem, refused, "symbolic links that lead out", nil, ""},
		{52, filesystem, refused, "links put in the way of a tool of the host", tests("launch.TestTargetThroughLinkIsRefused", "launch.TestSourceThroughLinkIsRefused"), "no program of ours opens anything in the workspace by path"},
		{53, filesystem, refused, "hard links", nil, ""},
		{54, filesystem, refused, "folders beside the system's; renaming above a mount", nil, ""},
		{55, filesystem, residue, "hooks and settings made in the workspace", nil, "all of /sandbox and of a :rw mount is the agent's to write; hand over what must not change as :ro"},
		{56, filesystem, refused, "/proc/PID/root, cwd and fd", nil, ""},
		{57, filesystem, refused, "descriptors left open", tests("launch.TestDescriptorsAreThree"), ""},
		{58, filesystem, refused, "our own program, overwritten", nil, ""},
		{59, filesystem, refused, "handles, new mounts, fanotify", nil, ""},
		{60, filesystem, refused, "remounts, mounts over, user namespaces", nil, ""},
		{61, filesystem, refused, "whiteouts", nil, ""},
		{62, filesystem, refused, "devices", nil, ""},
		{63, filesystem, held, "a mask swapped before it is mounted", tests("launch.TestFilesOutside"), "masks are mounted by descriptor before anything runs"},
		{64, filesystem, refused, "kernel switches under /proc/sys and /sys", nil, ""},
		{65, filesystem, refused, "control groups", nil, ""},
		{66, process, refused, "setuid files, file capabilities", nil, ""},
		{67, filesystem, refused, "contents and metadata of read-only files", tests("launch.TestMountsAlone"), ""},
		{68, filesystem, refused, "every call that opens", nil, ""},
		{69, process, held, "arguments swapped while a call is judged", tests("confine/filter.TestEveryRefusalIsMade"), "the supervisor only ever refuses; nothing is let go on"},
		{70, process, refused, "a call judged by nobody", tests("confine/filter.TestWithoutListener"), ""},
		{71, filesystem, held, "names in other letters or forms", tests("launch.TestLandlockAlone"), "no wall goes by a file's name: Landlock holds inodes, mounts hold trees"},
		{72, filesystem, held, "files made after a pattern was read", tests("launch.TestLandlockAlone"), "there are no patterns"},
		{73, filesystem, residue, "a full disk", nil, "/tmp and /dev/shm are bounded; the workspace, :rw mounts and the book are not"},
		{74, filesystem, refused, "links and special files in a snapshot, names that climb in an exported one", tests("snapshot.TestCopyStaysInside", "snapshot.TestCopyWhileItChanges", "snapshot.TestArchiveRefused"), ""},
		{75, operator, residue, "files aimed at whoever uses the workspace later", nil, "our programs run nothing that lies there; you may"},
	}
}

func processEntries() []entry {
	return []entry{
		{76, process, refused, "tracing, memory and descriptors of PID 1", tests("launch.TestPIDOneIsUntouchable"), ""},
		{77, process, refused, "processes of the host", nil, ""},
		{78, process, refused, "namespaces", nil, ""},
		{79, process, refused, "bpf, perf, keys, modules, clocks and the rest of the machine", nil, ""},
		{80, process, refused, "calls of other architectures", tests("confine/filter.TestForeignArchitectureIsKilled"), ""},
		{81, process, refused, "arguments with high bits", tests("confine/filter.TestPromises"), ""},
		{82, process, refused, "typing into a terminal", tests("session.TestScreenDropsWhatActs"), ""},
		{83, network, residue, "loaders, scripts and memory files against rules by program", tests("gate/egress.TestProgramsHaveTheirOwnRules"), lends},
		{84, network, refused, "a copy or another name of an allowed program", tests("policy.TestDecide", "confine.TestProgramOfAProcess"), "a program that the agent can write has no right of its own"},
		{85, network, residue, "preloaded libraries in an allowed program", tests("launch.TestEnvironmentIsTheSpecs"), lends},
		{86, process, refused, "borrowing from an allowed program by tracing or writing it", nil, "see D76 and 84"},
		{87, process, refused, "real-time scheduling and priorities; memory and processes without end", tests("cgroup.TestLimitsHold", "e2e.TestOutOfMemoryIsSaid"), "memory is not limited where no control group could be had; status says so"},
		{88, process, refused, "outliving stop", tests("launch.TestKillLeavesNothing", "e2e.TestStopEndsWhatWillNotEnd"), ""},
		{89, process, held, "a stopped or clogged supervisor", tests("supervisor.TestAgentLogIsBounded", "session.TestASlowReaderLosesNothing"), "it cannot be seen from inside, and its buffers are bounded"},
		{90, process, refused, "acting before the walls stand", tests("launch.TestEveryWallIsProved", "launch.TestJoinComesBeforeTheWalls", "confine.TestSilenceProvesNothing"), ""},
		{91, process, refused, "starting with a wall missing", tests("launch.TestWhatCannotBeBuilt", "host.TestMissing"), ""},
		{92, process, refused, "a sandbox inside the sandbox", nil, "there is no namespace to be had, see D78"},
		{93, operator, refused, "its own off-switch", tests("control.TestPeerFromANestedNamespaceIsRefused", "state.TestEditedSettings"), ""},
	}
}

func serviceEntries() []entry {
	return []entry{
		{94, filesystem, refused, "socket files of the host: Docker, D-Bus, agents, X11", nil, ""},
		{95, filesystem, refused, "abstract sockets of the host", nil, ""},
		{96, filesystem, refused, "datagrams to sockets of the host", nil, ""},
		{97, filesystem, refused, "shared memory and queues of the host", nil, ""},
		{98, process, refused, "keyrings of the user", nil, "see D79 keyctl, D79 add_key and D79 request_key"},
		{99, filesystem, later, "Windows programs from inside WSL", nil, "not tried on WSL"},
		{100, operator, held, "a helper that trusts a program's name", tests("control.TestPeerFromANestedNamespaceIsRefused"), "there is no helper"},
		{101, process, refused, "keys in the environment", tests("launch.TestEnvironmentIsTheSpecs", "session.TestRefusals"), ""},
		{102, filesystem, refused, "another sandbox of the same user", tests("test/escape.TestTwoSandboxesShareNothing", "e2e.TestTwoSideBySide"), ""},
	}
}

func ownEntries() []entry {
	return []entry{
		{103, content, refused, "wrong digests, archives that climb, bombs, wrong signatures, old versions replayed", tests("blueprint.TestSigners", "blueprint/carry.TestRefused", "blueprint/store.TestLayerRefused", "blueprint/store.TestTarballRefused", "blueprint/store.TestDebRefused", "blueprint/store.TestVerifyFinds", "blueprint/store.TestEnsureMismatch", "e2e.TestRegistryThatLies"), ""},
		{104, content, refused, "a cache changed after it was checked", tests("blueprint/store.TestCacheTampered", "blueprint/store.TestLayerSwapped", "blueprint/store.TestVerifyHoldsTree", "e2e.TestDamagedBlueprint"), ""},
		{105, book, refused, "the book edited, cut, reordered", tests("audit.TestAnyBitFlipIsFound", "audit.TestAnyRemovedLineIsFound", "audit.TestAnyReorderedOrDoubledLineIsFound", "audit.TestClockSetBack", "audit.TestAnchorGoneOrEdited"), "it is found, not prevented: who owns the files may edit them"},
		{106, book, refused, "events lost with a killed supervisor", tests("audit.TestKilledWriterLosesNothingDurable"), ""},
		{107, book, held, "secrets in logs", tests("gate/inference.TestSecretsAreMasked", "policy.TestSecretsAreNotRepeated", "secret.TestNothingIsShown"), "known keys and shapes of keys are masked; prompts are kept unless `log: metadata`"},
		{108, operator, refused, "the control socket from inside or from another user", tests("control.TestAnotherUserIsRefused", "control.TestPeerFromANestedNamespaceIsRefused"), "there is no web view yet"},
		{109, operator, refused, "another user in the way of our files", tests("control.TestAnotherUserCannotReachTheSocket", "state.TestFindRefusesAnothersFolder", "state.TestFindRefusesAFolderThatIsNotOurs"), ""},
		{110, network, refused, "an explanation that is not what the gate does", tests("e2e.TestExplainSaysWhatTheGateDoes"), ""},
		{111, operator, later, "Kubernetes: selectors, tokens, host paths", nil, "needs the kube driver"},
		{112, operator, later, "Docker: its socket, privileged containers, the bridge", nil, "needs the docker driver"},
	}
}

func gateEntries() []entry {
	return []entry{
		{113, network, refused, "UDP-Lite to outside", nil, "see A7 UDP-Lite"},
		{114, network, refused, "SCTP, DCCP, ping and GRE sockets", nil, "see A7 SCTP, A7 DCCP, A7 ping and A7 raw"},
		{115, network, held, "a trojan nft, ip or nsenter", tests("plan.TestMountsAreConfined"), "no program of the sandbox or of the system is run to enforce anything"},
		{116, network, refused, "other ports of the host", nil, "see A12 own and A17"},
		{117, network, refused, "from one sandbox to another", tests("test/escape.TestTwoSandboxesShareNothing"), ""},
		{118, network, residue, "data in the labels of a name under a listed wildcard", tests("gate/egress.TestUnlistedHostIsNeverLookedUp"), "whoever serves the names of a domain that a wildcard lists is told what is looked up there"},
		{119, operator, refused, "forwards from outside", tests("session.TestForwardReachesLoopback", "session.TestRefusals"), "the agent's gateway port is open to every user of the host; it asks for its token"},
		{120, network, refused, "a listed host from another program", tests("gate/egress.TestProgramsHaveTheirOwnRules", "policy.TestDecide"), ""},
		{121, network, refused, "depth of wildcards", tests("policy.TestDecide"), ""},
		{122, network, refused, "spellings of addresses", tests("policy.TestParseHostRefuses", "policy.FuzzAddr"), ""},
		{123, network, refused, "a hello for another host than was asked for", tests("gate/egress.TestHelloMustNameTheHost"), ""},
		{124, network, refused, "a second request for a denied path", tests("gate/egress.TestRequestsAreJudged", "gate/egress.TestPipelinedRequestsAreJudged"), ""},
		{125, network, refused, "a request glued behind another", tests("gate/egress.TestEveryRequestIsJudged", "gate/egress.TestPipelinedRequestsAreJudged"), ""},
		{126, network, refused, "chunks that hide a size", tests("gate/egress.TestBodies", "gate/egress.TestSmuggling"), ""},
		{127, network, refused, "a header that overrides the method", tests("gate/egress.TestOverridesAreStripped", "gate/egress.TestOverridesInOtherSpellings", "gate/egress.TestTrailersOverrideNothing", "gate/egress.TestDestinationIsJudged"), "left out; a server that takes it from the body is not known"},
		{128, network, refused, "methods beside the listed ones", tests("gate/egress.TestRequestsAreJudged", "policy.TestDecideHTTP"), ""},
		{129, network, refused, "a server that answers 101 unasked", tests("gate/egress.TestUnsolicitedSwitch", "gate/egress.TestEveryRequestIsJudged"), "where requests are not read, answers change nothing in what the program may say"},
		{130, network, refused, "another protocol on 80 and 443", tests("gate/egress.TestFirstBytes"), ""},
		{131, network, refused, "an encrypted hello, a hello in one-byte records", tests("gate/egress.TestHelloIsForTheName", "gate/egress.TestFragmentedHelloIsPutTogether"), ""},
		{132, network, refused, "a reload amid a transfer", tests("gate/egress.TestReloadCutsWhatIsDenied", "gate/egress.TestReloadSparesWhatTheOperatorAllowed", "gate/egress.TestReloadEndsRequests", "gate/egress.TestWebSocket"), ""},
		{133, network, residue, "tricks with queries", tests("gate/egress.TestTargetIsKept"), "rules are about paths; a query passes as it is, and is not written down"},
		{134, network, refused, "one segment for many", tests("policy.TestPathPatterns", "gate/egress.TestRequestsAreJudged"), ""},
		{135, network, refused, "public and private addresses mixed", tests("gate/egress.TestPrivateAnswersAreNotDialled"), ""},
		{136, network, refused, "an allowed name at a private address", tests("gate/egress.TestPrivateAddressIsAQuestionOfItsOwn", "e2e.TestAllowedNameWithAPrivateAddress"), "a question of its own"},
		{137, network, refused, "NAT64, 6to4, Teredo", tests("policy.TestDecideAddr"), ""},
		{138, network, refused, "CGNAT, multicast, 240/4", tests("policy.TestDecideAddr"), ""},
		{139, network, refused, "a redirect to a denied host", tests("gate/egress.TestUnlistedHostIsNeverLookedUp", "gate/egress.TestCredentialDoesNotFollow"), "it is a connection of its own"},
		{140, network, held, "names made up inside", tests("gate/egress.TestLiteralAddressTakesAnyHello", "policy.TestDecideAddr"), "an address is judged as itself, whatever it is called inside"},
		{141, network, refused, "address lists that hold everything", tests("policy.TestParseProblems", "e2e.TestSavedPolicyAppliesAtOnce"), ""},
		{142, network, later, "GraphQL: hidden mutations", nil, needsGraph},
		{143, network, later, "GraphQL: batches", nil, needsGraph},
		{144, network, later, "GraphQL: persisted queries", nil, needsGraph},
		{145, network, later, "JSON-RPC: batches and double keys", nil, needsGraph},
		{146, network, later, "MCP: names of tools", nil, needsGraph},
		{147, network, later, "MCP: arguments of tools", nil, needsGraph},
		{148, network, residue, "malformed WebSocket frames", tests("gate/egress.TestWebSocket"), "frames are not read: once its request is allowed, a WebSocket is opaque"},
		{149, network, residue, "data hidden in encoded bodies", tests("gate/egress.TestContinueAndLargeBodies"), "bodies are not read; who lists a host trusts it with whatever the agent knows"},
		{150, process, refused, "environment and memory of PID 1", nil, "see E101 init, D76 mem and D196 maps"},
		{151, network, refused, "a placeholder sent to another host", tests("gate/egress.TestCredentialIsAdded"), "it arrives as it was sent: nothing in a request becomes the credential"},
		{152, network, refused, "a placeholder in pieces", tests("gate/egress.TestCredentialIsAdded"), "likewise"},
		{153, network, refused, "credentials without inspection", tests("policy.TestParseProblems", "gate/egress.TestUnverifiedServerIsRefused", "gate/egress.TestPlainRequestsAreJudged"), ""},
		{154, network, refused, "a credential that the server repeats", tests("gate/egress.TestCredentialIsAdded", "gate/egress.TestCredentialDoesNotComeBack", "gate/egress.TestMasked"), "in plain fields and bodies; compressed or in part it comes through"},
		{155, operator, held, "a token of another sandbox", tests("e2e.TestTwoSideBySide"), "there are no tokens: each sandbox has a socket and a supervisor of its own"},
		{156, filesystem, refused, "truncating a read-only file", nil, "see C67 truncate and C67 trunc"},
		{157, filesystem, refused, "links in /tmp, dots, /proc/self", nil, "see C51, C56 self root and C56 dots"},
		{158, filesystem, refused, "links and moves out of a read-only folder", nil, ""},
		{159, filesystem, refused, "modes, owners, times and attributes of read-only things", nil, ""},
		{160, operator, held, "copying with links and dots", tests("session.TestOpenSSHCopies"), "scp's far end runs inside, behind the walls"},
		{161, filesystem, refused, "descriptors of the supervisor", tests("launch.TestDescriptorsAreThree"), "see C57"},
		{162, process, held, "programs without a file", nil, "they run, behind the same walls"},
		{163, process, refused, "a filter with a listener of its own", nil, "EBUSY; a filter without one can only refuse more"},
		{164, process, held, "fork bombs", tests("cgroup.TestLimitsHold"), ""},
		{165, process, refused, "killing or stopping PID 1 and the supervisor", tests("test/escape.TestSandboxLivesThroughSignals"), ""},
		{166, process, refused, "a session with weaker walls", tests("test/escape.TestEscapes"), "every case here runs as a session does: there is no second way in"},
		{167, network, refused, "an allowed program replaced on disk", tests("confine.TestProgramOfAProcess", "policy.TestDecide"), "a deleted or writable one has no right of its own"},
		{168, network, refused, "a child of an allowed program", tests("policy.TestDecide"), "the program that holds the socket counts, not its parents"},
		{169, network, residue, "a socket lent to an allowed program", tests("launch.TestWhoHoldsASocket"), lends},
	}
}

func routerEntries() []entry {
	return []entry{
		{170, process, refused, "daemons that outlive stop", tests("launch.TestKillLeavesNothing"), ""},
		{171, network, refused, "a process number used again", tests("confine.TestProgramOfAProcess", "launch.TestWhoHoldsASocket", "launch.TestWhoExecutesSomethingElse"), "two looks must agree, and it must hold the socket after them, else the program is unknown"},
		{172, inference, refused, "a model nobody listed", tests("gate/inference.TestUnroutedModel", "gate/inference.TestUnroutedModelByEveryAPI"), ""},
		{173, inference, refused, "tricks with the router's paths", tests("gate/inference.TestRootAndManagementAndUnknown", "gate/inference.FuzzPath"), ""},
		{174, inference, refused, "a key of the agent's own", tests("gate/inference.TestKeysAreOursAlone", "gate/inference.TestKeysByEveryAPI", "test/e2e.TestAgents"), ""},
		{175, inference, refused, "a provider that redirects", tests("gate/inference.TestKeyGoesToItsHostAlone", "gate/inference.TestProvidersThatMisbehave", "gate/inference.TestWholeAnswersThatMisbehaveByEveryAPI"), ""},
		{176, inference, refused, "model APIs past the router", tests("e2e.TestModelAPIsOutsideAreRefused", "policy.TestKnownModelAPI"), ""},
		{177, inference, refused, "managing the models", tests("gate/inference.TestRootAndManagementAndUnknown", "e2e.TestModelsAreNotTheAgentsToChange"), ""},
		{178, inference, refused, "answers without end", tests("gate/inference.TestProvidersThatMisbehave", "gate/inference.TestTotalTime"), ""},
		{179, inference, refused, "the router's name on another port", tests("gate/egress.TestRouterIsReachedWithoutARule", "gate/inference.TestSecured"), "on 443 it is itself and no other name"},
		{180, inference, held, "a call behind another", tests("gate/inference.TestPipelined"), ""},
		{181, operator, refused, "the agent approves", tests("control.TestPeerFromANestedNamespaceIsRefused"), ""},
		{182, operator, held, "an answer to a question that changed", tests("approval.TestAnswerWhileAskedAgain", "operator/term.TestSheetGoesWithItsQuestion", "operator/term.TestLowWindowTakesNoAnswer"), "a question never changes; its ID is of one program, host and port"},
		{183, operator, held, "a hundred thousand hosts", tests("approval.TestFloodIsBounded", "gate/egress.TestFloodOfDifferentRefusalsIsBounded", "supervisor.TestFloodIsBounded", "supervisor.TestThousandQuestionsWait", "supervisor/notify.TestFloodIsOneRun"), ""},
		{184, operator, refused, "names with escapes, newlines, bidi", tests("operator/say.TestClean", "operator/say.FuzzClean"), ""},
		{185, book, refused, "lines of its own in the book", tests("audit.TestOneEventIsOneLine"), ""},
		{186, book, refused, "edits of the book", tests("audit.TestRandomEditsAreFound", "audit.TestARewrittenBookIsFound", "audit.FuzzVerify"), ""},
		{187, content, held, "a policy inside the image", tests("plan.TestMountsAreConfined"), "policies are read from the host alone"},
		{188, operator, refused, "locked settings changed while it runs", tests("e2e.TestEditedSettingsNeedARebuild", "state.TestEditedSettings"), ""},
		{189, network, refused, "a malformed policy on reload", tests("e2e.TestMistakeInThePolicyOpensNothing"), ""},
	}
}

func lastEntries() []entry {
	return []entry{
		{190, content, refused, "blueprints with wrong digests, climbing names, older than was seen, signed by nobody who is trusted", tests("blueprint/carry.TestRefused", "blueprint/carry.TestRegistryThatLies", "blueprint/store.TestTarballRefused", "blueprint/store.TestEnsureMismatch", "blueprint/store.TestEnsurePinned"), ""},
		{191, operator, refused, "a crash between plan and start", tests("state.TestCreateLeavesNothingHalfMade", "e2e.TestInterruptedOnboardLeavesNothing", "e2e.TestKilledChange", "e2e.TestKilledAtEachStep", "e2e.TestKilledBuild", "e2e.TestKilledFirstOnboard", "snapshot.TestKilledAnywhere"), ""},
		{192, operator, held, "command line and views killed", tests("supervisor.TestQuestionsSurviveARestart", "control.TestServeEndsStreamsAndUpgrades"), "they hold nothing"},
		{193, network, refused, "traffic when the supervisor is killed", tests("launch.TestSupervisorKilled", "test/escape.TestNoGateNoTraffic"), ""},
		{194, operator, refused, "an unprivileged user at the control socket", tests("control.TestAnotherUserIsRefused"), ""},
		{195, filesystem, residue, "paths of the host in mountinfo", nil, "the kernel tells the source of a bind mount; no layer can take that away"},
		{196, process, refused, "/proc/1", nil, ""},
		{197, process, refused, "limits, priorities and signals of PID 1", tests("test/escape.TestSandboxLivesThroughSignals"), ""},
		{198, filesystem, refused, "links in the place of what the host writes", tests("launch.TestTargetThroughLinkIsRefused", "launch.TestSourceThroughLinkIsRefused"), "inference.log is a file of the host outside the workspace"},
		{199, filesystem, refused, "sockets of the host below a mount", tests("launch.TestLowerKillsSockets", "operator/mount.TestMountWithSocket"), "one made later below a :rw mount is a residue, which status names"},
		{200, filesystem, held, "a mount below a :ro source", tests("launch.TestLowerKillsSockets"), "an overlay of the source alone: what is mounted below it is not there at all"},
		{201, network, refused, "other UDP: multicast, broadcast, the host's own address", tests("gate/egress.TestOtherProtocolsAreRefusedWithAnEvent"), ""},
		{202, filesystem, held, "mounts made inside that appear on the host, or the host's that appear inside", tests("launch.TestMountsStayOnTheirSide"), "what is handed over is parted from the shared mount that it is a copy of"},
	}
}
