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
// Proved by: TestApply*, TestRollback*, test/e2e/upgrade_test.go, e2e.TestKilledAtEachStep.
//
// An upgrade, step by step:
//
//	fetch and check the new blueprint         the old one runs
//	make generations/N+1, noted as untried    the old one runs
//	start it at NAME/trial, on a copy of the workspace, with nothing to reach
//	and no host folder to write to: walls proved, agent healthy; end it
//	stop the old one, copy the workspace      nothing runs
//	deny what the new default policy denies
//	switch the link                           the one moment that decides
//	lay the new version's seeds over what nobody has changed
//	start the new one; not healthy: the copy becomes the workspace again, the
//	link is switched back, the old one is started
//	forget all but the last three generations
//
// Killed at any point, what is in force is the old or the new generation, whole;
// one that was made and not put in force is nothing to go back to, and the next
// change forgets it. Killed between the switch and the seeds, the newer agent has
// the files of the older one, as where somebody has changed them.
//
// A plan may be old when it is done: policy and seeds are looked at again then,
// and a plan that another change has overtaken is refused.
package change
