// Package audit is the book: append-only, hash-chained events on the host.
//
// Runs in: the supervisor writes; the command line reads and verifies, also
// while the sandbox runs or when it has gone.
// Reads:   the book itself, as something that somebody may have edited.
// Touches: its own folder and the anchor; Read and Verify write nothing.
// Fails:   closed. When the book cannot be written, Err says so and the gates refuse.
// Proved by: TestAnyBitFlipIsFound, TestAnyRemovedLineIsFound, TestKilledWriterLosesNothingDurable, TestPrune, FuzzVerify.
//
// # Form
//
// The book is a folder of segments, 000001.jsonl and on, one JSON event a
// line. A line's hash is the SHA-256 of the line with its last member, "hash",
// left out; its prev is the hash of the line before, through all segments.
// Seq counts from 1 without a gap. JSON escapes every control character, so
// one event is always one line, whatever the agent put into it.
//
// The anchor lies outside the sandbox's folder and holds seq and hash of the
// last durable line. The order of every commit is: lines written, fdatasync,
// anchor, and only then is anybody told. Hence a book that is longer than its
// anchor, or whose last line is torn, is a crash (the next Open drops the torn
// part), and a shorter one is tampering, as is any line that is edited,
// missing or out of place up to the anchor, or a line beyond it that is whole, well formed
// and not the next. Without an anchor nothing is dropped,
// and what a later nemoclaw wrote is neither read nor written.
//
// Prune removes whole closed segments from the old end. Where the book begins
// then is on record beside the anchor (its name with ".base"): a segment that is
// missing without a record is tampering, as before.
//
// What it does not promise: who can write both the folder and the anchor can
// write another book; who can write the folder alone can append events that fit, as
// if the machine had gone down before they were anchored, until the next start anchors
// them (Report.Beyond). Export it to keep it from the machine's own user.
package audit
