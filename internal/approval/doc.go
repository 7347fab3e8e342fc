// Package approval keeps the questions that the operator is asked, and what
// the answers allow, for how long.
//
// Runs in: the supervisor.
// Reads:   nothing. Hosts and programs in a question are the agent's words, in
// the canonical form that policy gave them; views escape programs.
// Touches: nothing: no clock, file or log. Every call is told the time.
// Fails:   closed. No answer, a full desk or a used grant is a refusal; a
// restored desk holds no connection and no half-used grant.
// Proved by: TestSequences, FuzzSequences, TestSnapshot, TestFloodIsBounded,
// TestUntilEndsByTheEarlierClock.
//
// A question is bound to program, host, port and, where it is about one, the
// address. Its life:
//
//	          Ask                  Answer
//	nothing ------> pending ---------------> once    one connection, within a minute
//	                   |    \--------------> until   every connection until then
//	                   |     \-------------> always  those that wait; then the policy says it
//	                   |      \------------> denied  those that wait, and a minute of retries
//	                   |       \-----------> never   those that wait; then the policy says it
//	                   | Lapsed: the connection's hold ended
//	                   v
//	          pending, fails at once, until it is answered
//
// "Always" and "never" are rules of the policy file, which the operator can
// take back there. The desk therefore lets pass or refuses those connections
// alone that wait at that moment; a later one reaches the desk only if the
// policy does not speak of it, and is a new question.
//
// A Desk is not safe for concurrent use; its owner locks.
package approval
