#!/bin/sh
# What a vault needs to keep its root in a TPM 2.0: scripts/install_tpm.sh [.venv]
#
# The TSS libraries and a compiler, with apt where it can, then the package tpm2-pytss, which is built from its source,
# into the virtual environment. swtpm and tpm2-tools come along for the tests: they run against a software TPM.
set -eu

PACKAGES="libtss2-dev libtss2-tcti-device0 libtss2-tcti-swtpm0 swtpm swtpm-tools tpm2-tools gcc pkg-config"

venv=${1:-.venv}
[ -x "$venv/bin/python" ] || { echo "there is no $venv: run \`make test\` or \`make demo\` first" >&2; exit 1; }

complete() {
    command -v swtpm >/dev/null && command -v tpm2_getcap >/dev/null && pkg-config --exists tss2-esys 2>/dev/null
}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

if ! complete && command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    echo "Installing the TPM software stack with apt"
    as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $PACKAGES >/dev/null
fi
complete || {
    echo "The TPM software stack is missing and could not be installed from here. Install it, then run this again:" >&2
    echo "  Debian, Ubuntu:  sudo apt install $PACKAGES" >&2
    echo "  Fedora, RHEL:    sudo dnf install tpm2-tss-devel swtpm swtpm-tools tpm2-tools gcc pkgconf" >&2
    exit 1
}
# What it needs itself (cffi, cryptography, packaging) is in the environment already.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    -r "$(dirname "$0")/../constraints-tpm.txt"
"$venv/bin/python" -c "import tpm2_pytss"
echo "tpm2-pytss is ready. A device's own TPM is /dev/tpmrm0; who uses it belongs to the group tss."
