// Package presets holds ready rules for services that agents often use, one
// file each: what `nemoclaw NAME policy add --preset` adds.
//
// Runs in: the operator's commands.
// Reads:   nothing; the files are part of the program.
// Touches: nothing.
// Fails:   never; policy.ParsePreset reads what lies here.
// Proved by: TestContract in internal/operator/preset.
//
// A preset is small: the hosts without which the service does not work, each
// with its why. The hosts of a package or image registry stand in none: they
// are those of the tool's own configuration on the operator's machine.
package presets
