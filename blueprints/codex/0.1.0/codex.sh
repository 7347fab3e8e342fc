#!/bin/sh
# Starts the program for this processor, as its launcher does that needs Node.
cpu=$(uname -m)
case $cpu in
x86_64) name=x64 ;;
aarch64) name=arm64 ;;
esac
at=/opt/nemoclaw/content/node_modules/@openai/codex-linux-$name/vendor/$cpu-unknown-linux-musl
PATH=$at/codex-path:$PATH exec "$at/bin/codex" "$@"
