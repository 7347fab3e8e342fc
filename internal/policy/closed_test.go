package policy

import "testing"

// Closed says what the text says.
func TestClosed(t *testing.T) {
	text, err := Parse("run", []byte("unlisted: deny\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Request{
		{}, {Host: "example.com", Port: 443}, {Host: "localhost", Port: 80}, {Port: 22},
	} {
		if got, want := Closed().Decide(r), text.Decide(r); got != want || got.Action != Deny {
			t.Errorf("%+v: %+v: want %+v", r, got, want)
		}
	}
	if Closed().Hold() != text.Hold() || Closed().ReadsSome() {
		t.Error("another wait, or something to read")
	}
}
