#!/usr/bin/env bash
# The demo: a sandbox with the real OpenClaw, one message answered through the
# inference router, and a rogue model that tries its way out. It keeps to
# .cache/demo (state, sandbox "demo", model server): your own Ollama gets the
# one message and nothing else, your own sandboxes are not touched.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$PWD/.cache/demo
export NEMOCLAW_HOME=$dir/home
nemoclaw=$PWD/bin/nemoclaw
mkdir -p "$dir"
began=$(date +%s)

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' dim=$'\033[2m' plain=$'\033[0m'; fi
step() { printf '\n%s── %s%s  (%s s)\n' "$bold" "$*" "$plain" "$(($(date +%s) - began))"; }
typed() { printf '%s$ nemoclaw %s%s\n' "$dim" "$*" "$plain"; }
show() { typed "$@"; "$nemoclaw" "$@"; }

# The model server of our own: for the rogue always, for the answer where no
# Ollama is found. It ends with the demo.
server=
finish() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
}
trap finish EXIT

start_server() {
  [ -z "$server" ] || return 0
  step "Starting a model server with two tiny models (tiny says a sentence, rogue calls a tool)"
  go build -o .cache/bin/modelserver ./demo/modelserver
  rm -f "$dir/model/url"
  .cache/bin/modelserver --dir "$dir/model" --port 0 &
  server=$!
  until [ -s "$dir/model/url" ]; do
    kill -0 "$server" 2>/dev/null || { echo "the model server ended" >&2; exit 1; }
    read -r -t 0.2 <> <(:) || true
  done
  own_url=$(cat "$dir/model/url")
}

if curl -fsS -m 2 http://127.0.0.1:11434/api/version >/dev/null 2>&1; then
  url=http://127.0.0.1:11434
  model=$(curl -fsS -m 5 "$url/api/tags" | node -e 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>{const m=JSON.parse(s).models||[];process.stdout.write(m.length?m[0].name:"")})')
  [ -n "$model" ] || { echo "your Ollama at $url has no model: run \`ollama pull qwen3:8b\`" >&2; exit 1; }
  step "Using your Ollama at $url with $model: it gets one message"
else
  echo "No Ollama answers at 127.0.0.1:11434, so the demo starts a real llama.cpp with a tiny model of its own."
  start_server
  url=$own_url model=tiny
fi

step "Setting up the sandbox: nemoclaw onboard --yes"
if "$nemoclaw" list --json 2>/dev/null | grep -q '"demo"'; then
  "$nemoclaw" demo set-inference-url "$url" >/dev/null
  "$nemoclaw" demo set-model "ollama/$model" >/dev/null
  show demo start
else
  show onboard --yes --name demo --blueprint openclaw@0.1.0 --inference-url "$url" --model "$model"
fi

step "One message to the agent"
message="Say hello to the people who read this."
typed "demo exec -- openclaw agent --agent main --local -m \"$message\" --session-id demo-$began"
"$nemoclaw" demo exec -- openclaw agent --agent main --local -m "$message" --session-id "demo-$began"

step "Status, each wall with its proof"
show demo status

step "The same message in the inference log"
show demo inference log -n 2

step "Now a rogue model: it tells the agent to read /etc/shadow and to call home"
start_server
"$nemoclaw" demo set-inference-url "$own_url" >/dev/null
"$nemoclaw" demo set-model ollama/rogue >/dev/null
"$nemoclaw" demo exec -- openclaw agent --agent main --local -m "Tidy up my notes." --session-id "rogue-$began" || true

step "What it asked for, and what stopped it"
"$nemoclaw" demo audit tail --json -n 200 | go run ./demo/refusals --since "$began"

# As it was found: the demo's own sandbox back on its model.
"$nemoclaw" demo set-inference-url "$url" >/dev/null
"$nemoclaw" demo set-model "ollama/$model" >/dev/null
"$nemoclaw" demo stop
step "Done"
cat <<E2
Try it yourself:
  NEMOCLAW_HOME=$NEMOCLAW_HOME bin/nemoclaw demo start && NEMOCLAW_HOME=$NEMOCLAW_HOME bin/nemoclaw demo connect
Or set up your own:
  bin/nemoclaw onboard
E2
