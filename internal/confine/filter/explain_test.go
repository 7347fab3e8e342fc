package filter

import (
	"slices"
	"strings"
	"testing"
)

// Every row has a reason, and its explanation is what the filter does.
func TestExplain(t *testing.T) {
	for _, r := range Table() {
		e := Explain(r.Name)
		if e.Why == "" {
			t.Errorf("%s: no reason", r.Name)
		}
		if len(e.Cases) != len(r.Cases) || e.Verdict != r.Action.String() {
			t.Errorf("%s: %+v is not %+v", r.Name, e, r)
		}
	}
	if e := Explain("bpf"); e.Verdict != "refuse" || !strings.Contains(e.Why, "kernel") {
		t.Errorf("%+v", e)
	}
	if e := Explain("unshare"); len(e.Cases) != 1 || !strings.HasPrefix(e.Cases[0], "allow where argument 1 & ") {
		t.Errorf("%+v", e)
	}
	if e := Explain("no_such_call"); e.Verdict != "ENOSYS" {
		t.Errorf("%+v", e)
	}
	if !slices.Contains(Names(), "openat") {
		t.Error("openat is missing")
	}
}
