# Starts the gateway. State that another version wrote is migrated first, by
# OpenClaw's own doctor, while no gateway runs.
state=/sandbox/.openclaw
stamp=$state/.written-by
version=2026.9.6
if [ -e "$state/state/openclaw.sqlite" ] && [ "$(cat "$stamp" 2>/dev/null)" != "$version" ]; then
	# The doctor takes this file over only by a system call that sandboxes do not
	# have. It is this gateway's name to its own clients, and is made anew.
	if [ -d "$state/identity" ]; then
		mkdir -p "$state/before-$version" && mv "$state/identity" "$state/before-$version/" || exit 1
	fi
	openclaw doctor --fix --non-interactive --yes || exit 1
fi
mkdir -p "$state" && echo "$version" >"$stamp" || exit 1
exec openclaw gateway run
