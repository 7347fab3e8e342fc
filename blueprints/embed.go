package blueprints

import "embed"

// Recipes is the folder NAME/VERSION/… of every recipe.
//
//go:embed claude-code codex gemini-cli openclaw opencode pi shell
var Recipes embed.FS
