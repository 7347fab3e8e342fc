// Package content opens the blueprint of a sandbox for its supervisor. It stands
// apart from that so that a `run`, which has no blueprint, does not initialise
// what fetches and unpacks one.
//
// Runs in: the supervisor, before it confines itself.
// Reads:   the cache of blueprints; a registry, for what is missing in it.
// Touches: that cache.
// Fails:   closed: a byte that is not the locked one is a *blueprint.Mismatch,
// and nothing starts.
// Proved by: the end-to-end tests, and those of package store.
package content
