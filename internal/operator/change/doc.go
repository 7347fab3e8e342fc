// Package change puts another generation of a sandbox in force: upgrade,
// rebuild and rollback.
//
// Runs in: the operator's commands.
// Reads:   the sandbox's settings and policies, blueprints.
// Touches: the sandbox's generations, snapshots, trial and policy files; it
// starts and stops it through the driver.
// Fails:   with the old generation going on. Until the new one was started once
// beside it and everything was proved, nothing of the old is touched; from then
// on each step can be taken back, and is.
// Proved by: TestApply*, TestRollback*, test/e2e/upgrade_test.go.
//
// An upgrade, step by step:
//
//	fetch and check the new blueprint         the old one runs
//	make generations/N+1, noted as untried    the old one runs
//	start it at NAME/trial, on a copy of the workspace, with nothing to reach
//	and no host folder to write to: walls proved, agent healthy; end it
//	stop the old one, copy the workspace      nothing runs
//	switch the link                           the one moment that decides
//	start the new one; not healthy: the copy becomes the workspace again, the
//	link is switched back, the old one is started
//	forget all but the last three generations
//
// Killed at any point, what is in force is the old or the new generation, whole;
// one that was made and not put in force is nothing to go back to, and the next
// change forgets it.
package change
