// Package blueprints holds the recipes that come with the program, one folder
// a version: NAME/VERSION/blueprint.yaml and the files it names. A published
// folder never changes; a new version is a new folder.
//
// Runs in: every process of nemoclaw but init.
// Reads:   nothing; the recipes are part of the program.
// Touches: nothing.
// Fails:   never; internal/blueprint builds and checks what lies here.
// Proved by: TestBuiltin in internal/blueprint.
package blueprints
