#!/bin/sh
# Chooses the program for this processor, which its install script would have done.
case $(uname -m) in
x86_64) cpu=x64 ;;
aarch64) cpu=arm64 ;;
esac
exec "/opt/nemoclaw/content/node_modules/@anthropic-ai/claude-code-linux-$cpu/claude" "$@"
