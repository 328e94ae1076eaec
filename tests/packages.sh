#!/usr/bin/env bash
# Installs what the whole-application tests talk to, if it is missing. Nothing else is needed but Rust, a C compiler
# (for SQLite) and Python 3 (standard on Debian).
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # Where Debian puts kamailio and ip, which a plain user does not search.

declare -A why=(
    [sipp]="sip-tester: SIPp, the SIP behaviours as scenarios"
    [baresip]="baresip-core: a real softphone that takes a survey"
    [kamailio]="kamailio: a real proxy that records its route"
    [python3]="python3: sends the torture messages"
    [ip]="iproute2: a network namespace for the torture messages"
    [cc]="gcc libc6-dev: the C compiler that SQLite is built with"
)
missing=()
for program in "${!why[@]}"; do
    if ! command -v "$program" >/dev/null; then
        echo "tests need ${why[$program]}"
        for package in ${why[$program]%%:*}; do missing+=("$package"); done
    fi
done
if [ ! -d /usr/share/asterisk/sounds/en_US_f_Allison ]; then
    echo "tests need asterisk-core-sounds-en-wav: recordings of a person, to be heard by the recognisers"
    missing+=(asterisk-core-sounds-en-wav)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
echo "installing: ${missing[*]}"
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
