#!/bin/bash
# From 2026.9 on, `openclaw agent --local` refuses to run beside a gateway, and
# here one always runs. The message goes through it then.
if [ "$1" = agent ] && (exec 3<>/dev/tcp/127.0.0.1/18789) 2>/dev/null; then
	for word; do
		shift
		[ "$word" = --local ] || set -- "$@" "$word"
	done
fi
exec /opt/nemoclaw/content/node_modules/.bin/openclaw "$@"
