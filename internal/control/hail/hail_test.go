package hail

import (
	"bytes"
	"io"
	"slices"
	"testing"
)

func asked(b []byte) (string, []string, []string, error) { return Asked(bytes.NewReader(b).ReadByte) }

func TestAsked(t *testing.T) {
	for _, row := range []struct {
		dir       string
		env, argv []string
	}{
		{"", nil, []string{"true"}},
		{"/sandbox/x y", []string{"A=1", "B="}, []string{"sh", "-c", "echo \"é\"\n", ""}},
	} {
		dir, env, argv, err := asked(append(Ask(row.dir, row.env, row.argv), "more"...))
		if err != nil || dir != row.dir || !slices.Equal(env, row.env) || !slices.Equal(argv, row.argv) {
			t.Errorf("%q, %q, %q, %v; want %+v", dir, env, argv, err, row)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "no argument": ".\x00", "cut": "atrue\x00", "cut in a word": "atr", "another word": "xtrue\x00.\x00", "SSH": "SSH-2.0-x\r\n\x00",
	} {
		if dir, env, argv, err := asked([]byte(text)); err == nil || dir != "" || env != nil || argv != nil {
			t.Errorf("%s: took %q, %q, %q", name, dir, env, argv)
		}
	}
	if _, _, _, err := Asked(func() (byte, error) { return 'a', nil }); err == nil {
		t.Error("took a command without end")
	}
}

// Law: what was asked is asked again in the same words.
func FuzzAsked(f *testing.F) {
	f.Add(Ask("/", []string{"A=b"}, []string{"x", ""}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		dir, env, argv, err := Asked(r.ReadByte)
		if err != nil {
			return
		}
		again := Ask(dir, env, argv)
		d, e, a, err := asked(again)
		if err != nil || d != dir || !slices.Equal(e, env) || !slices.Equal(a, argv) {
			t.Errorf("%q became %q %q %q, %v", b, d, e, a, err)
		}
		if _, err := io.ReadAll(r); err != nil {
			t.Error(err)
		}
	})
}
