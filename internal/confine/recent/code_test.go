package recent

import (
	"testing"

	"github.com/nemoclaw/nemoclaw/internal/bare/baretest"
)

// What runs on the thread asks nothing of Go's runtime: what the machine runs
// from clone(2) on is read, in init as it is built, until no new function is met.
func TestNothingIsCalled(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			const room = "internal/confine/recent."
			code := baretest.Read(t, "cmd/init", arch, `confine/recent\.`)
			code.AsksNothing(t, room+"start.abi0(SB)", room+"(*Thread).say(SB)")
			code.MustAsk(t, room+"Start(SB)")             // its stack grows
			code.MustAsk(t, room+"(*Thread).Spawner(SB)") // it calls a function value
		})
	}
}
