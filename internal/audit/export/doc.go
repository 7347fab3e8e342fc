// Package export writes the book in the forms that other programs read: OCSF
// for SIEMs, and OTLP for collectors of OpenTelemetry.
//
// Runs in: the command line.
// Reads:   events, as values. Their strings may be the agent's; JSON escapes them.
// Touches: nothing, but Sender: one URL that the operator named.
// Fails:   with an error; a Sender that cannot deliver a batch stops there.
// Proved by: TestOCSFSchema, TestOCSF, TestOTLP, TestSender, FuzzForms.
//
// OCSF is version 1.3.0 (schema.ocsf.io): a JSON object a line. OTLP is its JSON
// form, version 1 (opentelemetry.io/docs/specs/otlp), one log record an event.
// Prompts and answers of the model are left out unless Content is set: who reads
// a SIEM is not who reads the book.
package export
