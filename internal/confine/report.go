package confine

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
)

// A report is lines of fields between tabs. It is read once per start, and
// JSON would take longer than all attempts together:
//
//	proof    wall  layer  tried  got  yes|no
//	connect  to    from   error
const (
	proofWord   = "proof"
	connectWord = "connect"
	yes, no     = "yes", "no"
)

func (r report) encode() []byte {
	var b strings.Builder
	line := func(fields ...string) {
		b.WriteString(strings.Join(fields, "\t"))
		b.WriteByte('\n')
	}
	for _, p := range r.Proofs {
		refused := no
		if p.Refused {
			refused = yes
		}
		line(proofWord, string(p.Wall), p.Layer, p.Tried, p.Got, refused)
	}
	for _, c := range r.Connects {
		from := ""
		if c.From.IsValid() {
			from = c.From.String()
		}
		line(connectWord, c.To.String(), from, c.Error)
	}
	return []byte(b.String())
}

// errReport is a report that the prover did not write, or not to its end.
var errReport = errors.New("the report of the prover is damaged")

func decodeReport(b []byte) (report, error) {
	var r report
	for line := range strings.Lines(string(b)) {
		text, whole := strings.CutSuffix(line, "\n")
		f := strings.Split(text, "\t")
		switch {
		case whole && len(f) == 6 && f[0] == proofWord:
			r.Proofs = append(r.Proofs, spec.Proof{Wall: spec.Wall(f[1]), Layer: f[2], Tried: f[3], Got: f[4], Refused: f[5] == yes})
		case whole && len(f) == 4 && f[0] == connectWord:
			c := connect{Error: f[3]}
			var err error
			if c.To, err = netip.ParseAddrPort(f[1]); err != nil {
				return report{}, errReport
			}
			if c.From, err = netip.ParseAddrPort(f[2]); err != nil && c.Error == "" {
				return report{}, errReport
			}
			r.Connects = append(r.Connects, c)
		default:
			return report{}, errReport
		}
	}
	return r, nil
}
