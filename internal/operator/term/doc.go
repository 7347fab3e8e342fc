// Package term is the terminal view: every sandbox and how it is, what waits
// for the operator's answer, and what happens, as it happens.
//
// Runs in: the command line, as `openshell term`.
// Reads:   what supervisors say over their control sockets, and the state
// folder. Hosts, programs, prompts and reasons are words of a hostile agent.
// Touches: the terminal; a question, when the operator presses its key.
// Fails:   visibly. A supervisor that is gone is shown as gone, and found again
// when it comes back; nothing is answered but what stood on the screen.
// Proved by: TestScreens, TestAlertTakesNoKeyAtOnce, TestSupervisorGoesAndComes,
// FuzzScreen, TestHeldConnectionIsAllowedWithOneKey.
//
// There are two halves. Eyes look at the world, one goroutine a sandbox, and
// turn it into messages; view holds what they said and draws it, and knows no
// file, socket or clock but the one that it was given:
//
//	driver, control ── eyes ──messages──> view ──> screen
//	                             keys ────> │
//	control <──────── answer ───────────────┘
//
// What is asked is pushed: an event of the book makes the eyes look at the
// questions again, within milliseconds; a folder that stirs (inotify(7)) makes
// them look for sandboxes, and for the life of one that is away. A slow look
// every ten seconds is the only way to see what makes no event.
//
// Text reaches the screen through line.draw alone, which cleans it, so that no
// string of a sandbox can move the cursor, colour a word or draw a button.
package term
