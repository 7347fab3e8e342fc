package blueprint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// KernelNeeds is what a blueprint needs of the kernel beyond what every sandbox
// does.
type KernelNeeds struct {
	Version  string    `json:"version,omitempty" yaml:"version"`   // the oldest, like 6.2
	Landlock int       `json:"landlock,omitempty" yaml:"landlock"` // the oldest ABI
	Features []Feature `json:"features,omitempty" yaml:"features"`
}

// Feature is something that a kernel has or has not.
type Feature string

// The features that a blueprint can need.
const (
	Namespaces    Feature = "user-namespaces"      // for users without rights
	Notification  Feature = "seccomp-notification" // refused system calls become events
	Transparent   Feature = "transparent-proxy"    // the nftables expression "tproxy"
	ControlGroups Feature = "control-groups"       // memory and processes can be limited
)

// Features are all of them.
var Features = []Feature{Namespaces, Notification, Transparent, ControlGroups}

// maxLandlock is more than any kernel has.
const maxLandlock = 100

var kernelForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,3})$`)
})

func (k KernelNeeds) check() error {
	if k.Version == "" && k.Landlock == 0 && len(k.Features) == 0 {
		return fmt.Errorf("kernel: it needs nothing: leave it out")
	}
	if k.Version != "" && !kernelForm().MatchString(k.Version) {
		return fmt.Errorf("kernel: version %q: want MAJOR.MINOR, like 6.2", clip(k.Version))
	}
	if k.Landlock < 0 || k.Landlock > maxLandlock {
		return fmt.Errorf("kernel: landlock %d: want an ABI, 1 to %d", k.Landlock, maxLandlock)
	}
	for i, f := range k.Features {
		if !slices.Contains(Features, f) {
			return fmt.Errorf("kernel: feature %q: want one of %s", clip(string(f)), listed(Features))
		}
		if slices.Contains(k.Features[:i], f) {
			return fmt.Errorf("kernel: feature %q: twice", f)
		}
	}
	return nil
}

// String is what people read: Linux 6.2, Landlock ABI 3.
func (k KernelNeeds) String() string {
	var words []string
	if k.Version != "" {
		words = append(words, "Linux "+k.Version)
	}
	if k.Landlock > 0 {
		words = append(words, fmt.Sprintf("Landlock ABI %d", k.Landlock))
	}
	for _, f := range k.Features {
		words = append(words, string(f))
	}
	return strings.Join(words, ", ")
}

// Machine is what a blueprint is held to before it is fetched.
type Machine struct {
	Nemoclaw string // the version of this program; one that is no release starts all
	Kernel   string // MAJOR.MINOR
	Landlock int    // ABI; 0: none
	Features []Feature
}

// Unfit means that a blueprint needs what a machine has not.
type Unfit struct {
	Ref        Ref
	Need, Have string
	Remedy     string
}

func (u *Unfit) Error() string {
	return fmt.Sprintf("blueprint %s: needs %s, this machine has %s", u.Ref, u.Need, u.Have)
}

// Hint is what helps.
func (u *Unfit) Hint() string { return u.Remedy }

// Fits says why i cannot run on m, or nil. Errors: *Unfit.
func (i Identity) Fits(m Machine) error {
	unfit := func(need, have, remedy string) error {
		return &Unfit{Ref: i.Ref(), Need: need, Have: have, Remedy: remedy}
	}
	// What a build after a release is called (0.1.0-3-gabc) is a newer one.
	bare, _, _ := strings.Cut(m.Nemoclaw, "-")
	if have, err := parseVersion(bare); err == nil && Compare(have, i.Needs) < 0 {
		return unfit("nemoclaw "+i.Needs, have, "install a newer nemoclaw, or choose an older version of the blueprint: nemoclaw blueprint list")
	}
	const newer = "boot a newer kernel, or choose another version of the blueprint: nemoclaw blueprint list; nemoclaw doctor says what this one can do"
	k := i.Kernel
	switch {
	case k == nil:
		return nil
	case k.Version != "" && olderKernel(m.Kernel, k.Version):
		return unfit("Linux "+k.Version, m.Kernel, newer)
	case m.Landlock < k.Landlock:
		return unfit(fmt.Sprintf("Landlock ABI %d", k.Landlock), fmt.Sprint(m.Landlock), newer)
	}
	for _, f := range k.Features {
		if !slices.Contains(m.Features, f) {
			return unfit("the kernel's "+string(f), listed(m.Features), "nemoclaw doctor says what is missing and how to get it")
		}
	}
	return nil
}

// olderKernel compares MAJOR.MINOR; what is not in form is older than all.
func olderKernel(have, want string) bool {
	if !kernelForm().MatchString(have) {
		return true
	}
	number := func(s string) int { // kernelForm bounds both
		major, minor, _ := strings.Cut(s, ".")
		a, _ := strconv.Atoi(major)
		b, _ := strconv.Atoi(minor)
		return a*10_000 + b
	}
	return number(have) < number(want)
}

func listed(features []Feature) string {
	if len(features) == 0 {
		return "none"
	}
	words := make([]string, len(features))
	for i, f := range features {
		words[i] = string(f)
	}
	return strings.Join(words, ", ")
}
