package confine

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// The flags of a TCP segment. See RFC 9293, 3.1.
const (
	flagsOffset = 13
	synFlag     = 0x02
	ackFlag     = 0x10
)

// withoutCookies switches SYN cookies (tcp(7), tcp_syncookies) off in this
// network namespace, and says whether it could. They answer a connection that
// finds the queue full without making a socket of it, and the packet that ends
// such a handshake would find none; without them the first packet is dropped,
// and sent again. Whoever connects here can flood nobody but himself.
func withoutCookies() bool { return tune("/proc/sys/net/ipv4/tcp_syncookies", "0") }

// withoutPacing takes the plainest congestion control for this network namespace
// (tcp(7), tcp_congestion_control; every kernel has it). All its connections end
// within it, and what paces them on the way, as bbr does, costs a timer a packet.
// Where it cannot, they are slower.
func withoutPacing() { tune("/proc/sys/net/ipv4/tcp_congestion_control", "reno") }

// tune writes one of the kernel's parameters, and says whether it could.
func tune(path, value string) bool {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value))
	return err == nil
}

// Names of linux/netfilter/nf_tables.h and nfnetlink.h that x/sys lacks.
const (
	tproxyFamily  = 1 // NFTA_TPROXY_FAMILY
	tproxyRegPort = 3 // NFTA_TPROXY_REG_PORT
	accepted      = 1 // NF_ACCEPT

	priorityEarly = -150
	priorityPlain = 0
)

// family is what differs between IPv4 and IPv6 in the rules.
type family struct {
	number     byte
	offset     uint32 // in the header, of the part of the destination that says "loopback"
	loopback   []byte
	prohibited byte // code of "administratively prohibited" in ICMP, ICMPv6
}

var (
	inet4 = family{unix.AF_INET, 16, []byte{127}, 13}
	inet6 = family{unix.AF_INET6, 24, append(make([]byte, 15), 1), 1}
)

// capture sets the rules that bring all TCP to the gate's port, and refuse
// what is not TCP, in one transaction.
func capture(port uint16, v6, first bool) error {
	fd, err := talk(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	p := &packet{}
	batch := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, unix.NFNL_SUBSYS_NFTABLES)
	p.message(unix.NFNL_MSG_BATCH_BEGIN, 0, batch...)
	rulesOf(p, inet4, port, first)
	if v6 {
		rulesOf(p, inet6, port, first)
	}
	last := p.seq
	p.message(unix.NFNL_MSG_BATCH_END, 0, batch...)
	return act("set rules for", fmt.Sprintf("capture at port %d", port), exchange(fd, p, last))
}

const (
	tableName    = "nemoclaw"
	captureChain = "capture"
	refuseChain  = "refuse"
)

func rulesOf(p *packet, f family, port uint16, first bool) {
	netfilter(p, f, unix.NFT_MSG_NEWTABLE)
	p.text(unix.NFTA_TABLE_NAME, tableName)
	chain(p, f, captureChain, unix.NF_INET_PRE_ROUTING, priorityEarly)
	rule(p, f, captureChain, func() { captured(p, f, port, first) })
	chain(p, f, refuseChain, unix.NF_INET_LOCAL_OUT, priorityPlain)
	rule(p, f, refuseChain, func() { names(p, 0) }) // from port 53
	rule(p, f, refuseChain, func() { names(p, 2) }) // to port 53
	rule(p, f, refuseChain, func() { refused(p, f) })
}

// netfilter begins a message that makes something. Each asks for an
// acknowledgement, so that the last of the batch has one.
func netfilter(p *packet, f family, kind uint16) {
	p.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NLM_F_CREATE|unix.NLM_F_APPEND|unix.NLM_F_ACK, f.number, unix.NFNETLINK_V0, 0, 0)
}

func chain(p *packet, f family, name string, hook uint32, priority int32) {
	netfilter(p, f, unix.NFT_MSG_NEWCHAIN)
	p.text(unix.NFTA_CHAIN_TABLE, tableName)
	p.text(unix.NFTA_CHAIN_NAME, name)
	p.nest(unix.NLA_F_NESTED|unix.NFTA_CHAIN_HOOK, func() {
		p.number(unix.NFTA_HOOK_HOOKNUM, hook)
		p.number(unix.NFTA_HOOK_PRIORITY, uint32(priority))
	})
	p.text(unix.NFTA_CHAIN_TYPE, "filter")
}

func rule(p *packet, f family, chain string, expressions func()) {
	netfilter(p, f, unix.NFT_MSG_NEWRULE)
	p.text(unix.NFTA_RULE_TABLE, tableName)
	p.text(unix.NFTA_RULE_CHAIN, chain)
	p.nest(unix.NLA_F_NESTED|unix.NFTA_RULE_EXPRESSIONS, expressions)
}

// captured: TCP to anywhere but loopback goes to the transparent listener. With
// first it is a connection's first packet alone; those that follow find the
// socket that came of it by themselves, and with it their route, which a packet
// that this rule has given a socket would have to look up.
func captured(p *packet, f family, port uint16, first bool) {
	loadProtocol(p)
	compare(p, unix.NFT_CMP_EQ, unix.IPPROTO_TCP)
	if first {
		loadBytes(p, unix.NFT_PAYLOAD_TRANSPORT_HEADER, flagsOffset, 1)
		mask(p, synFlag|ackFlag)
		compare(p, unix.NFT_CMP_EQ, synFlag)
	}
	loadBytes(p, unix.NFT_PAYLOAD_NETWORK_HEADER, f.offset, len(f.loopback))
	compare(p, unix.NFT_CMP_NEQ, f.loopback...)
	loadValue(p, binary.BigEndian.AppendUint16(nil, port))
	expression(p, "tproxy", func() {
		p.number(tproxyFamily, uint32(f.number))
		p.number(tproxyRegPort, unix.NFT_REG_1)
	})
}

// names: UDP from and to port 53 is the gate's resolver, whatever address was
// asked; its answers come from that address, which is not loopback.
func names(p *packet, offset uint32) {
	loadProtocol(p)
	compare(p, unix.NFT_CMP_EQ, unix.IPPROTO_UDP)
	loadBytes(p, unix.NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2)
	compare(p, unix.NFT_CMP_EQ, 0, 53)
	expression(p, "immediate", func() {
		p.number(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
		p.nest(unix.NLA_F_NESTED|unix.NFTA_IMMEDIATE_DATA, func() {
			p.nest(unix.NLA_F_NESTED|unix.NFTA_DATA_VERDICT, func() { p.number(unix.NFTA_VERDICT_CODE, accepted) })
		})
	})
}

// refused: everything else that is not TCP and not for loopback is told so at
// once, and logged for the supervisor. The packet could go nowhere in any
// case; without the refusal it would be silence.
func refused(p *packet, f family) {
	loadProtocol(p)
	compare(p, unix.NFT_CMP_NEQ, unix.IPPROTO_TCP)
	loadBytes(p, unix.NFT_PAYLOAD_NETWORK_HEADER, f.offset, len(f.loopback))
	compare(p, unix.NFT_CMP_NEQ, f.loopback...)
	expression(p, "log", func() {
		p.attribute(unix.NFTA_LOG_GROUP, binary.BigEndian.AppendUint16(nil, spec.RefusedGroup))
	})
	expression(p, "reject", func() {
		p.number(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_ICMP_UNREACH)
		p.attribute(unix.NFTA_REJECT_ICMP_CODE, []byte{f.prohibited})
	})
}

// The parts of a rule. They work on one register of 16 bytes.

func expression(p *packet, name string, inner func()) {
	p.nest(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, func() {
		p.text(unix.NFTA_EXPR_NAME, name)
		p.nest(unix.NLA_F_NESTED|unix.NFTA_EXPR_DATA, inner)
	})
}

func loadProtocol(p *packet) {
	expression(p, "meta", func() {
		p.number(unix.NFTA_META_DREG, unix.NFT_REG_1)
		p.number(unix.NFTA_META_KEY, unix.NFT_META_L4PROTO)
	})
}

func loadBytes(p *packet, base, offset uint32, size int) {
	expression(p, "payload", func() {
		p.number(unix.NFTA_PAYLOAD_DREG, unix.NFT_REG_1)
		p.number(unix.NFTA_PAYLOAD_BASE, base)
		p.number(unix.NFTA_PAYLOAD_OFFSET, offset)
		p.number(unix.NFTA_PAYLOAD_LEN, uint32(size))
	})
}

func loadValue(p *packet, value []byte) {
	expression(p, "immediate", func() {
		p.number(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_1)
		p.nest(unix.NLA_F_NESTED|unix.NFTA_IMMEDIATE_DATA, func() { p.attribute(unix.NFTA_DATA_VALUE, value) })
	})
}

// mask keeps the bits of bits of the byte that was loaded.
func mask(p *packet, bits byte) {
	expression(p, "bitwise", func() {
		p.number(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
		p.number(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
		p.number(unix.NFTA_BITWISE_LEN, 1)
		p.nest(unix.NLA_F_NESTED|unix.NFTA_BITWISE_MASK, func() { p.attribute(unix.NFTA_DATA_VALUE, []byte{bits}) })
		p.nest(unix.NLA_F_NESTED|unix.NFTA_BITWISE_XOR, func() { p.attribute(unix.NFTA_DATA_VALUE, []byte{0}) })
	})
}

func compare(p *packet, op uint32, value ...byte) {
	expression(p, "cmp", func() {
		p.number(unix.NFTA_CMP_SREG, unix.NFT_REG_1)
		p.number(unix.NFTA_CMP_OP, op)
		p.nest(unix.NLA_F_NESTED|unix.NFTA_CMP_DATA, func() { p.attribute(unix.NFTA_DATA_VALUE, value) })
	})
}
