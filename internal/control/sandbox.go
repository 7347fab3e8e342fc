package control

import (
	"context"
	"net"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// Sandbox is what a supervisor offers to its operator. Every method may be
// called from several goroutines at once. An error's Hint() reaches the
// operator. By(ctx) says who asks.
type Sandbox interface {
	Status(ctx context.Context) Status
	Approvals(ctx context.Context) ([]Approval, error)
	// Answer returns once the answer is durable.
	Answer(ctx context.Context, id string, a Answer) (Approval, error)
	ReloadPolicy(ctx context.Context) (Reloaded, error)
	ReloadInference(ctx context.Context) (Reloaded, error)
	Inference(ctx context.Context) (InferencePolicy, error)
	// Verify tries the harmless escapes inside.
	Verify(ctx context.Context) (Verified, error)
	// Stop returns once the sandbox is gone. The reply is still delivered when
	// the context given to Serve ends right after.
	Stop(ctx context.Context) error
	// Events yields durable events from now on, until ctx ends or the book closes.
	Events(ctx context.Context) (<-chan audit.Event, error)
	// Calls yields model calls as they are answered, from now on, until ctx ends.
	// A reader that is slow misses steps, never an end.
	Calls(ctx context.Context) (<-chan Underway, error)
	// Watched is told that an operator's view follows the events, and gives what
	// to call when it does no more.
	Watched() (left func())
	// Logs yields the last lines of the agent's output, then, with follow, what
	// comes, until ctx ends.
	Logs(ctx context.Context, lines int, follow bool) (<-chan string, error)
	// SSH serves connect, exec and copy on conn until it ends, and closes it.
	SSH(ctx context.Context, conn net.Conn) error
	// Exec runs one command for the peer of conn, hands it the command's streams,
	// and closes conn.
	Exec(ctx context.Context, conn *Carrier) error
}
