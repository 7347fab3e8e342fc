package blueprint

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

// TestFits: what a blueprint needs of nemoclaw and of the kernel is compared as
// versions are, and what is missing is named with its number.
func TestFits(t *testing.T) {
	i := Identity{Name: "demo", Version: "1.0.0", Needs: "0.2.0", Kernel: &KernelNeeds{Version: "6.2", Landlock: 3, Features: []Feature{Namespaces, Transparent}}}
	good := Machine{Nemoclaw: "0.2.0", Kernel: "6.2", Landlock: 3, Features: []Feature{Transparent, Namespaces}}
	for what, c := range map[string]struct {
		edit func(*Machine)
		need string // "": it fits
	}{
		"just so":                   {func(*Machine) {}, ""},
		"newer":                     {func(m *Machine) { m.Nemoclaw, m.Kernel, m.Landlock = "1.0.0", "6.18", 7 }, ""},
		"no release":                {func(m *Machine) { m.Nemoclaw = "dev" }, ""},
		"after a release":           {func(m *Machine) { m.Nemoclaw = "v0.2.0-3-gabcdef" }, ""},
		"an old nemoclaw":           {func(m *Machine) { m.Nemoclaw = "0.1.9" }, "nemoclaw 0.2.0"},
		"an old one, after release": {func(m *Machine) { m.Nemoclaw = "v0.1.9-3-gabcdef" }, "nemoclaw 0.2.0"},
		"an old kernel":             {func(m *Machine) { m.Kernel = "5.19" }, "Linux 6.2"},
		"an older minor":            {func(m *Machine) { m.Kernel = "6.1" }, "Linux 6.2"},
		"a kernel without a number": {func(m *Machine) { m.Kernel = "" }, "Linux 6.2"},
		"an old Landlock":           {func(m *Machine) { m.Landlock = 2 }, "Landlock ABI 3"},
		"a feature missing":         {func(m *Machine) { m.Features = m.Features[1:] }, "transparent-proxy"},
	} {
		m := good
		c.edit(&m)
		err := i.Fits(m)
		var unfit *Unfit
		if c.need == "" && err != nil || c.need != "" && (!errors.As(err, &unfit) || !strings.Contains(err.Error(), c.need) || unfit.Hint() == "") {
			t.Errorf("%s: %v, want %q", what, err, c.need)
		}
	}
	i.Kernel = nil
	if err := i.Fits(Machine{Nemoclaw: "0.2.0"}); err != nil {
		t.Errorf("nothing needed of the kernel: %v", err)
	}
}

// TestKernelNeedsRefuses: needs are of closed sets, in one spelling.
func TestKernelNeedsRefuses(t *testing.T) {
	built := func(kernel string) (Artifact, error) {
		files := recipeFiles()
		files[RecipeFile] = &fstest.MapFile{Data: append(files[RecipeFile].Data, []byte("kernel: "+kernel+"\n")...)}
		return Build(files)
	}
	a, err := built(`{version: "6.2", landlock: 3, features: [user-namespaces]}`)
	if err != nil || a.Manifest.Kernel.String() != "Linux 6.2, Landlock ABI 3, user-namespaces" {
		t.Fatalf("the control: %v", err)
	}
	for _, kernel := range []string{
		"{}", `{version: "6"}`, `{version: 6.2.1}`, `{version: "06.2"}`, `{version: "6.2-rc1"}`, `{version: "v6.2"}`, "{landlock: -1}", "{landlock: 1000}",
		"{features: [root]}", "{features: [user-namespaces, user-namespaces]}", "{features: [User-Namespaces]}", "{modules: [tun]}",
	} {
		if _, err := built(kernel); err == nil {
			t.Errorf("%s: built", kernel)
		}
	}
}
