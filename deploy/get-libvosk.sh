#!/usr/bin/env bash
# Gets libvosk.so 0.3.45, the recogniser library, once: out of the Python package of that version, checked byte for byte.
# Usage: deploy/get-libvosk.sh [--needed]   (from the top of the repository)
# Without it Aftercall runs by keypad only, so a failure is no failure; --needed makes it one.
set -uo pipefail
PATH=$PATH:/usr/sbin:/sbin

version=0.3.45
bytes=25986496
sha256=85c4654de3acdeb99abab86eeb2a6e603927d37089597c0fcc33d8638dc2ccaf
folder=var/speech
library=$folder/libvosk.so
failed=0
[ "${1:-}" = --needed ] && failed=1

give_up() {
    echo "libvosk.so: $*" >&2
    echo "Without $library Aftercall runs by keypad only; run deploy/get-libvosk.sh again when that is mended." >&2
    exit $failed
}
is_right() {
    [ -f "$1" ] && [ "$(stat -c %s "$1")" = $bytes ] && [ "$(sha256sum < "$1" | cut -d' ' -f1)" = $sha256 ]
}

is_right "$library" && exit 0
[ "$(uname -sm)" = "Linux x86_64" ] || give_up "there is no checked build for $(uname -sm)"
mkdir -p "$folder" || give_up "cannot make $folder"

if ! python3 -m pip --version >/dev/null 2>&1; then
    echo "installing python3-pip: it downloads the package that libvosk.so comes in"
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip ||
        give_up "python3-pip cannot be installed"
fi

work=$(mktemp -d "$folder/get.XXXXXX") || give_up "cannot write to $folder"
trap 'rm -rf "$work"' EXIT
echo "getting libvosk.so $version (7 MB)"
python3 -m pip --disable-pip-version-check --quiet download --no-deps --only-binary=:all: \
    --platform manylinux2010_x86_64 --dest "$work" "vosk==$version" || give_up "the download failed"
python3 - "$work" <<'PYTHON' || give_up "the package is not as expected"
import glob, sys, zipfile
[wheel] = glob.glob(sys.argv[1] + "/*.whl")
with zipfile.ZipFile(wheel) as package, open(sys.argv[1] + "/libvosk.so", "wb") as out:
    out.write(package.read("vosk/libvosk.so"))
PYTHON
is_right "$work/libvosk.so" || give_up "what came is not the library that was tested: wrong size or SHA-256"
mv "$work/libvosk.so" "$library" || give_up "cannot write $library"
echo "$library is there"
