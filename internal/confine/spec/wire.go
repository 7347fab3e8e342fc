package spec

import "net/netip"

// The wire between supervisor and init: one SOCK_SEQPACKET socket, a packed
// message a packet, descriptors beside it as SCM_RIGHTS.
//
//	supervisor                                init (PID 1 inside)
//	    spec + detached mounts     ──────────>  builds the walls
//	    <──────────  notify        (the seccomp listener; init keeps no copy. Whoever
//	                                has it must answer from then on: the proof makes refused calls)
//	    <──────────  sockets       (listeners, DNS, nflog: Sockets says which is which;
//	                                after the proof, which sees where connections arrive)
//	    <──────────  proof         (what was tried and refused), or failed
//	    run        ──────────>     the prover becomes it, later ones the spawner forks
//	    <──────────  started       (its ends of stdio, or the PTY's master)
//	    <──────────  exited
//	    who, dialers, signal …     at any time, answered by the same ID
//
// End of file on the socket ends init, and with it the sandbox. Between init
// and its prover or spawner the same messages go, spec, run, started, exited
// and failed; there the spec is only Env, Dir and Rlimits.

// Op is the kind of a message.
type Op string

// What the supervisor asks, and what init says.
const (
	OpSpec    Op = "spec"    // first packet; its fds are the detached mounts, preceded by the spec's own memfd
	OpRun     Op = "run"     // start Command; with a descriptor, that is its program, and Argv[0] only its name
	OpSignal  Op = "signal"  // send Signal to the process group of run ID Target
	OpAll     Op = "all"     // send Signal, SIGSTOP or SIGCONT, to everything inside but init
	OpWho     Op = "who"     // who holds the TCP socket Local → Remote?
	OpLook    Op = "look"    // which program is PID (as seen inside)?
	OpUsage   Op = "usage"   // how much does /sandbox hold?
	OpFull    Op = "full"    // which limits are met that the kernel does not count?
	OpDialers Op = "dialers" // Count unconnected TCP sockets of the sandbox's namespace, please

	OpSockets Op = "sockets" // Sockets, fds in that order
	OpNotify  Op = "notify"  // one fd
	OpProof   Op = "proof"   // Proofs; the sandbox stands
	OpStarted Op = "started" // PID, fds: stdin, stdout, stderr; or the PTY's master
	OpExited  Op = "exited"  // Code or Signal, Alone
	OpHolders Op = "holders" // Programs: answer to who and look
	OpUsed    Op = "used"    // Count: bytes, Whole, and Places: files as large as one may be; answer to usage
	OpFilled  Op = "filled"  // Count, Programs, Tasks and Places: answer to full
	OpSock    Op = "sock"    // fds: answer to dialers
	OpPaused  Op = "paused"  // Error: why; from the supervisor to its operator alone
	OpFailed  Op = "failed"  // Error (and Wall, where a wall could not be built)
)

// Message is one packet. Fields that an Op does not name are empty.
type Message struct {
	Op       Op
	ID       uint64
	Command  *Command
	Target   uint64
	Signal   int
	Count    int
	IPv6     bool
	PID      int
	Code     int
	Local    netip.AddrPort
	Remote   netip.AddrPort
	Sockets  []Socket
	Proofs   []Proof
	Programs []Program
	ABI      int // with proof: the Landlock ABI in force
	Wall     Wall
	Error    string
	Whole    bool // with used: everything could be looked at
	// Places are files, or file systems, that are full; with filled, Count is how many
	// open files the one process of Programs has that has nearly all it may, and Tasks how
	// many processes and threads there are, PID 1's too.
	Places []string
	Tasks  int
	Alone  bool // with exited: no process but PID 1 was left
	Errno  int  // with failed: the system's error number behind Error, where there is one
}

// Command is one program to run inside.
type Command struct {
	Argv []string `json:"argv"` // Argv[0] is looked up in the sandbox's PATH
	Env  []string `json:"env,omitempty"`
	Dir  string   `json:"dir,omitempty"`
	TTY  bool     `json:"tty,omitempty"`
	Rows uint16   `json:"rows,omitempty"`
	Cols uint16   `json:"cols,omitempty"`
}

// SocketUse says what a handed-out socket is for.
type SocketUse string

// The sockets that init makes inside and hands out.
const (
	Capture4 SocketUse = "capture4" // transparent TCP listener, IPv4
	Capture6 SocketUse = "capture6"
	Router   SocketUse = "router" // TCP listener of the inference router, at Addr
	Names4   SocketUse = "names4" // UDP port 53, any address
	Names6   SocketUse = "names6"
	Line     SocketUse = "line"    // to init, for questions who holds a socket
	Refused  SocketUse = "refused" // NETLINK_NETFILTER socket, NFLOG group RefusedGroup: packets of other protocols
)

// RefusedGroup is the NFLOG group to which refused packets are logged.
const RefusedGroup = 5

// Socket names one handed-out descriptor.
type Socket struct {
	Use  SocketUse
	Addr netip.AddrPort
}

// Program is one process inside, as init sees it. Where init cannot tell, the
// answer has no Program at all.
type Program struct {
	PID  int
	Exe  string // path inside, " (deleted)" kept
	Dev  uint64
	Ino  uint64
	Name string // comm, for people only: a program can set it
	// Parents are the executables of its ancestors, nearest first.
	Parents []string
}
