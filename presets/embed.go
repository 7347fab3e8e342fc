package presets

import "embed"

// Files is NAME.yaml of every preset.
//
//go:embed *.yaml
var Files embed.FS
