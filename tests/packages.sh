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
    [node]="nodejs npm: drives the browser, and is the provider of single sign-on"
    [chromium]="chromium: a real browser for the dashboard"
    [openssl]="openssl: a certificate for the dashboard"
    [sox]="sox libsox-fmt-base: reads the recordings that are Ogg Vorbis"
    [cc]="gcc libc6-dev: the C compiler that SQLite is built with"
)
missing=()
for program in "${!why[@]}"; do
    if ! command -v "$program" >/dev/null; then
        echo "tests need ${why[$program]}"
        for package in ${why[$program]%%:*}; do missing+=("$package"); done
    fi
done
if ! python3 -c 'import ensurepip' 2>/dev/null; then
    echo "tests need python3-venv: a place of its own for schemathesis"
    missing+=(python3-venv)
fi
# Recordings of people, to be heard by the recognisers.
declare -A recordings=(
    [asterisk/sounds/en_US_f_Allison]=asterisk-core-sounds-en-wav
    [asterisk/sounds/es_MX_f_Allison]=asterisk-core-sounds-es-wav
    [asterisk/sounds/fr_CA_f_June]=asterisk-core-sounds-fr-wav
    [pocketsphinx/test/data]=pocketsphinx-testdata
    [klettres]=klettres-data
    [ktuberling]=ktuberling-data
)
for folder in "${!recordings[@]}"; do
    if [ ! -d "/usr/share/$folder" ]; then
        echo "tests need ${recordings[$folder]}: people, to be heard by the recognisers"
        missing+=("${recordings[$folder]}")
    fi
done
if [ ${#missing[@]} -gt 0 ]; then
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    echo "installing: ${missing[*]}"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# playwright-core, axe-core and oidc-provider, at the versions of the lock file.
browser=$(dirname "$0")/browser
if [ ! "$browser/node_modules/.package-lock.json" -nt "$browser/package-lock.json" ]; then
    echo "tests need the packages of tests/browser/package.json: to steer the browser, check pages and provide single sign-on"
    (cd "$browser" && npm ci --silent --no-audit --no-fund)
    touch "$browser/node_modules/.package-lock.json"
fi

# schemathesis, at the versions of the list.
conformance=$(dirname "$0")/conformance
if [ ! "$conformance/venv/installed" -nt "$conformance/requirements.txt" ]; then
    echo "tests need the packages of tests/conformance/requirements.txt: to hold the API to its OpenAPI document"
    python3 -m venv --clear "$conformance/venv"
    "$conformance/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$conformance/requirements.txt"
    touch "$conformance/venv/installed"
fi
