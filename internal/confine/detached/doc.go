// Package detached takes hold of what a mount of a sandbox shows, while the
// host's tree is there.
//
// Runs in: init without root, and launch with it: the sandbox's user may not
// reach every source by path.
// Reads:   a path that was decided when the sandbox was made; what stands there
// now may be an agent's.
// Touches: nothing: what it makes is attached nowhere.
// Fails:   where a symbolic link stands in a path that had none.
// Proved by: launch.TestSourceThroughLinkIsRefused.
package detached
