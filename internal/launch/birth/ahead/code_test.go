package ahead

import (
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/bare/baretest"
)

// What runs before Go's runtime is there asks nothing of it: what the machine runs
// from the program's first instruction on is read, until no new function is met,
// but for the runtime's own beginning.
func TestNothingIsCalled(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			const room = "internal/launch/birth/ahead."
			code := baretest.Read(t, room[:len(room)-1]+"/testdata/begins", arch, `birth/ahead\.|internal/bare\.|launch/program\.InPlace`,
				"-ldflags", entry)
			code.AsksNothing(t, room+"enter.abi0(SB)", room+"(*Process).fill(SB)", "_rt0_"+arch+"_linux(SB)")
			code.MustAsk(t, room+"(*Process).Born(SB)")
		})
	}
}
