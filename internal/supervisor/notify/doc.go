// Package notify runs the operator's own command, with a question as JSON on its
// stdin, when something is asked and nobody watches: `notify` in sandbox.yaml.
//
// Runs in: Tell in the supervisor; Serve in a process of its own beside it, since
// a supervisor can start no program.
// Reads:   questions from the supervisor, as something that may be hostile. The
// command is read from sandbox.yaml, whose digest is locked, never from the wire.
// Touches: one child at a time: that command, nothing else.
// Fails:   quietly for the sandbox: nobody told is no answer, and opens nothing. Status
// says that it failed.
// Proved by: TestNotifier, TestNotifierIsNotHurried, FuzzQuestion.
//
// The process keeps its operator's rights, since the command needs them: to
// send a mail, to reach the desktop. What it takes from the supervisor is a
// question of a closed form, each text bounded and free of control characters;
// so a supervisor that was taken over can have it run, a few times a minute, and lie
// about who asks, no more.
package notify
