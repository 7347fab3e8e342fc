// Package onboard leads from nothing to a sandbox that runs: the wizard's
// seven questions, what this machine lacks, and the steps that make it.
//
// Runs in: the command line, on the operator's side.
// Reads:   the operator's answers, the machine, the model server's list of models.
// Touches: the state folder, through state, secret and blueprint/store; starts
// the sandbox through its driver.
// Fails:   leaving nothing half-made: a sandbox is created whole, and a new one
// that does not come up is removed again.
// Proved by: TestForm, TestMounts, TestModels, test/cli/testdata/onboard*.txt, wizard.txt.
//
// Nothing is asked where stdin is no terminal: the error then names the flags
// that answer.
package onboard
