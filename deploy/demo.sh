#!/usr/bin/env bash
# A contact centre in a minute: starts the service on loopback, sends it calls over real SIP and RTP, shows the results.
# Usage: deploy/demo.sh [FOLDER]   (from the top of the repository, after cargo build --release)
set -euo pipefail

dir=${1:-var/demo}
program=target/release/aftercall
sip=${DEMO_SIP:-127.0.0.1:15060}
http=${DEMO_HTTP:-127.0.0.1:19091}

rm -rf "$dir"
mkdir -p "$dir"
cat > "$dir/aftercall.toml" <<TOML
[service]
surveys = "$PWD/config/surveys"
prompts = "$PWD/prompts"
drain_max = "1m"
[http]
listen = "$http"
[sip]
source_rate = 0
[media]
port_min = 41000
port_max = 44999
[[listener]]
transport = "udp"
bind = "$sip"
[[trunk]]
name = "demo"
sources = ["127.0.0.0/8"]
language = "en"
[selection]
rule = { every = 20 }
survey = "service"
TOML
run=("$program" --config "$dir/aftercall.toml" --data "$dir/data")

"${run[@]}" serve 2> "$dir/log" &
service=$!
trap 'kill $service 2>/dev/null || true' EXIT
for _ in $(seq 300); do
    grep -q "Ready for calls" "$dir/log" && break
    kill -0 $service 2>/dev/null || { cat "$dir/log"; exit 1; }
    sleep 0.1
done

calls=${DEMO_CALLS:-1600}
echo "A contact centre hands over $calls callers. Every 20th of a queue is surveyed, and whom agents send on purpose:"
"$program" simulate "sip:survey@$sip" --calls "$calls" --rate "${DEMO_RATE:-25}" --agents 5 \
    --queues service,billing --triggered 0.02 --seed 7 || true

echo
echo "Results per agent. Sampled callers and callers whom an agent chose never share a figure:"
"${run[@]}" report --by agent
echo
echo "One call, key by key:"
id=$("${run[@]}" calls --csv --columns id,disposition,answers | awk -F, '$2 == "complete" && length($3) > length(best) { best = $3; id = $1 } END { print id }')
"${run[@]}" calls "$id"
kill $service
wait $service || true
trap - EXIT
echo
echo "All of it lies in $dir: data/aftercall.db (SQLite: journal, calls, answers, roll-ups), log, aftercall.toml."
echo "Look further:  ${run[*]} report --by queue    or    ${run[*]} calls"
