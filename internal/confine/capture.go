package confine

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// family is what differs between IPv4 and IPv6 in the rules.
type family struct {
	nft         nftables.TableFamily
	destination expr.Payload // the part of the destination that says "loopback"
	loopback    []byte
	prohibited  uint8 // code of "administratively prohibited" in ICMP, ICMPv6
}

var families = map[bool]family{
	false: {nftables.TableFamilyIPv4, expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 1}, []byte{127}, 13},
	true:  {nftables.TableFamilyIPv6, expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 24, Len: 16}, append(make([]byte, 15), 1), 1},
}

// capture sets the rules that bring all TCP to the gate's port, and refuse
// what is not TCP.
func capture(port uint16, v6 bool) error {
	c, err := nftables.New()
	if err != nil {
		return act("open netlink for", "rules", err)
	}
	rulesOf(c, families[false], port)
	if v6 {
		rulesOf(c, families[true], port)
	}
	return act("set rules for", fmt.Sprintf("capture at port %d", port), c.Flush())
}

func rulesOf(c *nftables.Conn, f family, port uint16) {
	t := c.AddTable(&nftables.Table{Name: "nemoclaw", Family: f.nft})
	pre := c.AddChain(&nftables.Chain{Name: "capture", Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityMangle})
	c.AddRule(&nftables.Rule{Table: t, Chain: pre, Exprs: captured(f, port)})

	out := c.AddChain(&nftables.Chain{Name: "refuse", Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter})
	for _, offset := range []uint32{0, 2} { // source port, destination port
		c.AddRule(&nftables.Rule{Table: t, Chain: out, Exprs: names(offset)})
	}
	c.AddRule(&nftables.Rule{Table: t, Chain: out, Exprs: refused(f)})
}

// captured: TCP to anywhere but loopback goes to the transparent listener.
func captured(f family, port uint16) []expr.Any {
	dst := f.destination
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&dst,
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: f.loopback},
		&expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.TProxy{Family: byte(f.nft), TableFamily: byte(f.nft), RegPort: 1},
	}
}

// names: UDP from and to port 53 is the gate's resolver, whatever address was
// asked; its answers come from that address, which is not loopback.
func names(offset uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0, 53}},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

// refused: everything else that is not TCP and not for loopback is told so at
// once, and logged for the supervisor. The packet could go nowhere in any
// case; without the refusal it would be silence.
func refused(f family) []expr.Any {
	dst := f.destination
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&dst,
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: f.loopback},
		&expr.Log{Key: 1 << unix.NFTA_LOG_GROUP, Group: spec.RefusedGroup},
		&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: f.prohibited},
	}
}
