#!/bin/sh
# Builds liboqs (ML-DSA only) into the virtual environment: scripts/build_liboqs.sh [.venv]
#
# The C source comes from the registry package oqs-sys, fetched by cargo and checked against the SHA-256 below. The
# pin stands here because a Cargo lock file would record download addresses. Needs cargo, cmake and a C compiler; takes about half a minute. The signing engine finds
# the library in the environment by itself. Without it everything works, more slowly.
set -eu

OQS_SYS_SHA256=ac6d66ee528a895ce5cc08851698d109c5d7ee5d7a0b3b40d61550eda91e414f # oqs-sys 0.11.0, liboqs 0.13.0

venv=${1:-.venv}
here=$(cd "$(dirname "$0")" && pwd)
[ -d "$venv" ] || { echo "there is no $venv: run \`make test\` or \`make demo\` first" >&2; exit 1; }
target=$(cd "$venv" && pwd)/liboqs

for tool in cargo cmake cc; do
    command -v "$tool" >/dev/null || {
        echo "$tool is needed to build liboqs (Debian: apt install cargo cmake gcc). Hallmark works without it." >&2
        exit 1
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
echo "liboqs: fetching the source"
mkdir "$work/manifest"
cp "$here/liboqs/Cargo.toml" "$here/liboqs/nothing.rs" "$work/manifest/" # cargo writes its lock file beside these
cargo vendor --quiet --manifest-path "$work/manifest/Cargo.toml" "$work/vendor" >/dev/null
# cargo has checked the package against the hash it writes here; only oqs-sys is used of what was fetched
grep -q "\"package\":\"$OQS_SYS_SHA256\"" "$work/vendor/oqs-sys/.cargo-checksum.json" || {
    echo "the package oqs-sys is not the one that is pinned in scripts/build_liboqs.sh: nothing was built" >&2
    exit 1
}
echo "liboqs: building"
{
    cmake -S "$here/liboqs" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
        -DOQS_SOURCE="$work/vendor/oqs-sys/liboqs" -DCMAKE_INSTALL_PREFIX="$work/installed" -DCMAKE_INSTALL_LIBDIR=lib \
        && cmake --build "$work/build" --parallel && cmake --install "$work/build"
} >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }

# In place at once: a signer process that starts meanwhile finds the old library or the new one, never half of it.
rm -rf "$target.new"
mkdir -p "$target.new"
cp -R "$work/installed/lib" "$target.new/lib"
cp "$work/vendor/oqs-sys/liboqs/LICENSE.txt" "$target.new/"
rm -rf "$target"
mv "$target.new" "$target"
"$venv/bin/python" -P -c '
import os
from hsm.engines.liboqs import LibOqsEngine
print("liboqs:", LibOqsEngine(os.environ).version, "is ready")
'
