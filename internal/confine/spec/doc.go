// Package spec is the value that init obeys: everything that will be enforced
// in one sandbox, with nothing left to decide inside.
//
// Runs in: both sides. Plan makes it, launch hands it over, confine obeys it.
// Reads:   nothing.
// Touches: nothing; it is data and its packed form.
// Fails:   a Spec of another version, cut short or with bytes behind it does not decode.
// Proved by: TestEveryField, TestDecodeIsStrict, and by every test of confine.
//
// The zero value of every switch is the enforced one: a layer is absent only
// where somebody wrote its Off.
package spec
