#!/usr/bin/env bash
# A contact centre in a minute: starts the service on loopback, sends it calls over real SIP and RTP, shows the results.
# Usage: deploy/demo.sh [FOLDER]   (from the top of the repository, after cargo build --release)
set -euo pipefail

dir=${1:-var/demo}
program=target/release/aftercall
sip=${DEMO_SIP:-127.0.0.1:15060}
http=${DEMO_HTTP:-127.0.0.1:19091}
web=${DEMO_WEB:-127.0.0.1:18080}

rm -rf "$dir"
mkdir -p "$dir"
cat > "$dir/aftercall.toml" <<TOML
[service]
surveys = "$PWD/config/surveys"
prompts = "$PWD/prompts"
grammars = "$PWD/grammars"
drain_max = "1m"
[speech]
models = "$PWD/config/speech-models.toml"
[http]
listen = "$http"
[web]
listen = "$web"
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
[[selection.queue]]
match = "billing"
rule = { every = 10 }
survey = "callback"
[follow_up]
low_scores = { csat = 0.25, nps = 0.2, ces = 0.0 }
TOML
run=("$program" --config "$dir/aftercall.toml" --data "$dir/data")

echo "First a past of 90 days, made up and marked as trial calls, so that the dashboard has something to show."
"${run[@]}" simulate --direct --calls "${DEMO_HISTORY:-6000}" --days 90 --agents 5 --queues support,repairs,billing \
    --surveys service,service,callback --seed 90
echo

"${run[@]}" serve 2> "$dir/log" &
service=$!
trap 'kill $service 2>/dev/null || true' EXIT
for _ in $(seq 300); do
    grep -q "Ready for calls" "$dir/log" && break
    kill -0 $service 2>/dev/null || { cat "$dir/log"; exit 1; }
    sleep 0.1
done

today=$(date -u +%F)
calls=${DEMO_CALLS:-1600}
echo "A contact centre hands over $((calls + calls / 2)) callers of two lines. Surveyed are every 20th in the queues support and"
echo "repairs, every 10th in billing (with another survey), and whom agents send on purpose."
"$program" simulate "sip:survey@$sip" --calls $((calls / 2)) --rate "${DEMO_RATE:-15}" --agents 5 --queues billing \
    --profile callback --triggered 0.02 --seed 8 --quiet > "$dir/billing.txt" &
billing=$!
"$program" simulate "sip:survey@$sip" --calls "$calls" --rate "${DEMO_RATE:-25}" --agents 5 --queues support,repairs \
    --triggered 0.02 --seed 7 --mix answer=40,wrong=8,silent=8,barge=14,refuse=4,leave=8,speak=18 || true
wait $billing || true
echo
echo "and in billing:"
cat "$dir/billing.txt"

echo
echo "Results per agent. Callers whom we chose and callers whom an agent chose never share a figure:"
"${run[@]}" report --by agent --from "$today"
echo
mapfile -t ids < <("${run[@]}" calls --from "$today" --csv --columns id,disposition,answers | awk -F, '$2 == "complete" { print length($3), $1 }' | sort -rn | cut -d' ' -f2)
by_key="" by_voice=""
for id in "${ids[@]}"; do
    story=$("${run[@]}" calls "$id")
    if grep -q " heard " <<< "$story"; then by_voice=${by_voice:-$story}; else by_key=${by_key:-$story}; fi
    if [ -n "$by_key" ] && [ -n "$by_voice" ]; then break; fi
done
printf 'One call, key by key:\n%s\n\nAnd one who spoke:\n%s\n\n' "$by_key" "$by_voice"
echo "All of it lies in $dir: data/aftercall.db (SQLite: journal, calls, answers, roll-ups), log, aftercall.toml."
echo "Look further:  ${run[*]} report --by queue    or    ${run[*]} calls"
if [ -n "${DEMO_EXIT:-}" ]; then
    exit 0 # The trap stops the service.
fi

echo
echo "The dashboard is up on http://$web/. One link for each role, good once and for ten minutes (choose \"Trial calls\" above a"
echo "page to see the 90 days):"
head -c 24 /dev/urandom | base64 > "$dir/password" # Nobody needs it: the links sign in.
for role in supervisor quality agent admin; do
    who=("$role" --role "$role")
    [ "$role" = agent ] && who+=(--agent agent-01)
    "${run[@]}" user add "${who[@]}" < "$dir/password" > /dev/null
    printf '  %-11s %s\n' "$role" "$("${run[@]}" user link "$role")"
done
rm "$dir/password"
echo
echo "Another link: ${run[*]} user link supervisor.   Ctrl-C ends the demo."
trap 'kill $service 2>/dev/null; wait $service || true; exit 0' INT TERM
wait $service || true
