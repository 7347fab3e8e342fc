package host

import (
	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	build "github.com/nemoclaw/nemoclaw/internal/version"
)

// Machine is f as blueprints ask for it.
func (f Facts) Machine() blueprint.Machine {
	m := blueprint.Machine{Nemoclaw: build.String, Kernel: f.Kernel.String(), Landlock: f.Landlock.ABI}
	for feature, has := range map[blueprint.Feature]bool{
		blueprint.Namespaces:    f.Namespaces.Works,
		blueprint.Notification:  f.Seccomp.Notify,
		blueprint.Transparent:   f.Capture.TProxy == BuiltIn || f.Capture.TProxy == Module,
		blueprint.ControlGroups: f.Cgroup.Version > 0,
	} {
		if has {
			m.Features = append(m.Features, feature)
		}
	}
	return m
}

// Fits says why a blueprint cannot run here, or nil. The machine is looked at
// only where the blueprint asks for something of the kernel.
func Fits(i blueprint.Identity) error {
	if i.Kernel == nil {
		return i.Fits(blueprint.Machine{Nemoclaw: build.String})
	}
	return i.Fits(Look().Machine())
}
