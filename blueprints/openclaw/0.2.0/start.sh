# Starts the gateway. State that another version wrote is migrated first, by
# OpenClaw's own doctor, while no gateway runs.
state=/sandbox/.openclaw
stamp=$state/.written-by
version=2026.9.6
if [ -e "$state/state/openclaw.sqlite" ] && [ "$(cat "$stamp" 2>/dev/null)" != "$version" ]; then
	# The doctor takes these over only by a system call that sandboxes do not have,
	# and does nothing at all where it cannot. The first is this gateway's name to its
	# own clients, and is made anew; the others are logs of what changed settings.
	for old in identity logs/config-audit.jsonl audit/system-agent.jsonl; do
		if [ -e "$state/$old" ]; then
			aside=$state/before-$version/$(dirname "$old")
			mkdir -p "$aside" && mv "$state/$old" "$aside/" || exit 1
		fi
	done
	openclaw doctor --fix --non-interactive --yes || exit 1
fi
mkdir -p "$state" && echo "$version" >"$stamp" || exit 1
exec openclaw gateway run
