#!/bin/sh
# `make tokens`: fetches tokens that have ML-DSA and runs the suites of hsm on them; ends with a line for each token.
# NSS softoken needs no root. opencryptoki does; without root it is left out, and the last line says so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
suites="tests/contract/hsm tests/fault/hsm/test_native_tokens.py"

sh "$here/fetch_nss.sh"
# shellcheck disable=SC2086  # the list of suites is meant to be split
.venv/bin/pytest -q -p no:cacheprovider -k nss $suites
summary="NSS softoken: passed"
if [ "$(id -u)" = 0 ] && command -v unshare >/dev/null; then
    sh "$here/fetch_opencryptoki.sh"
    # shellcheck disable=SC2086
    sh "$here/run_in_opencryptoki.sh" .venv/bin/pytest -q -p no:cacheprovider -k opencryptoki $suites
    summary="$summary; opencryptoki: passed"
else
    summary="$summary; opencryptoki: left out (needs root and unshare)"
fi
echo "$summary"
