package spec

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
)

func TestDecodeIsStrict(t *testing.T) {
	s := Spec{Name: "n", Mounts: []Mount{{Kind: Tmpfs, Target: "/tmp", Size: 1}}, Env: []string{"A=1"}, Dir: "/"}
	b := Encode(s)
	s.Version = Version
	if got, err := Decode(b); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, text := range map[string][]byte{
		"version": append([]byte{Version + 1}, b[1:]...),
		"tail":    append(bytes.Clone(b), 0),
		"cut":     b[:len(b)-1],
		"empty":   nil,
	} {
		if got, err := Decode(text); err == nil || !reflect.DeepEqual(got, Spec{}) {
			t.Errorf("%s: took %+v, %v", name, got, err)
		}
	}
}

// A field that is added to a type and not to its list would be lost on the
// way, and with it a switch of a wall.
func TestEveryField(t *testing.T) {
	var s Spec
	fill(reflect.ValueOf(&s).Elem())
	s.Version = Version
	if got, err := Decode(Encode(s)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v\n%+v\n%+v", err, got, s)
	}
	var m Message
	fill(reflect.ValueOf(&m).Elem())
	if got, err := DecodeMessage(EncodeMessage(m)); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%v\n%+v\n%+v", err, got, m)
	}
}

// fill gives every field beneath v a value that is not its zero.
func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[netip.AddrPort]() {
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("[fe80::1%eth0]:65535")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("é " + v.Type().Name())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-3)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1<<v.Type().Bits() - 1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("no value for " + v.Type().String())
	}
}

// Law: what is decoded, written and decoded again is the same.
func FuzzDecodeMessage(f *testing.F) {
	for _, m := range []Message{
		{Op: OpRun, ID: 1, Command: &Command{Argv: []string{"a"}, TTY: true, Rows: 2}},
		{Op: OpFailed, Wall: NetworkWall, Error: "x", Errno: 2},
		{Op: OpSockets, Sockets: []Socket{{Use: Router}}},
	} {
		f.Add(EncodeMessage(m))
	}
	f.Add([]byte("\x03run\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			if !reflect.DeepEqual(m, Message{}) {
				t.Errorf("an error and %+v", m)
			}
			return
		}
		again := EncodeMessage(m)
		n, err := DecodeMessage(again)
		if err != nil || !reflect.DeepEqual(m, n) {
			t.Errorf("%+v became %+v: %v", m, n, err)
		}
	})
}
