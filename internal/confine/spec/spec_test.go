package spec

import (
	"reflect"
	"strings"
	"testing"
)

func TestDecodeIsStrict(t *testing.T) {
	s := Spec{Name: "n", Mounts: []Mount{{Kind: Tmpfs, Target: "/tmp", Size: 1}}, Env: []string{"A=1"}, Dir: "/"}
	b, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	s.Version = Version
	if got, err := Decode(b); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, text := range map[string]string{
		"version": strings.Replace(string(b), `"version":1`, `"version":2`, 1),
		"field":   strings.Replace(string(b), `"version":1`, `"version":1,"off":true`, 1),
		"tail":    string(b) + "{}",
		"empty":   "",
	} {
		if got, err := Decode([]byte(text)); err == nil || !reflect.DeepEqual(got, Spec{}) {
			t.Errorf("%s: took %+v, %v", name, got, err)
		}
	}
}
