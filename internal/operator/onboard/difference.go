package onboard

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/policy"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// difference says in which given answer a sandbox differs from a request;
// empty for none. What was not given cannot differ.
func difference(box state.Sandbox, set state.Settings, r Request, mounts []state.Mount, ref blueprint.Ref) string {
	have := map[string]string{
		"name":              set.Name,
		"gateway-port":      strconv.Itoa(set.Ports.Gateway),
		"network-policy":    yesNo(!set.Walls.NetworkOff),
		"filesystem-policy": yesNo(!set.Walls.FilesystemOff),
	}
	if text, err := os.ReadFile(box.InferenceFile()); err == nil {
		if inf, err := policy.ParseInference(box.InferenceFile(), text); err == nil {
			t := inf.Default()
			have["provider"], have["model"], have["inference-url"] = t.Provider, t.Model, t.URL.String()
		}
	}
	for _, flag := range questionFlags {
		want, given := r.Given[flag]
		if now, known := have[flag]; given && known && now != want && strings.TrimPrefix(want, "ollama/") != now {
			return fmt.Sprintf("another %s (%s)", flag, now)
		}
	}
	switch {
	case len(r.Mounts) > 0 && !slices.Equal(mounts, set.Mounts):
		return "other mounts"
	case r.Blueprint != "" && (ref.Name != set.Blueprint.Name || ref.Version != "" && ref.Version != set.Blueprint.Version):
		return "another blueprint (" + set.Blueprint.Name + "@" + set.Blueprint.Version + ")"
	case r.Agent != "" && (r.Agent == "none") != (set.Agent == "none"):
		return "another agent (" + set.Agent + ")"
	}
	return ""
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
