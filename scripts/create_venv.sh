#!/bin/sh
# Makes the virtual environment and installs the pinned, hash-checked dependencies and this project (editable).
# Usage: create_venv.sh PYTHON VENV_FOLDER
set -eu
python="$1"
venv="$2"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
can_apt() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }

if [ -z "$python" ]; then
    echo "Hallmark needs Python 3.11 or newer. Install it: apt install python3 python3-venv | dnf install python3.12 | brew install python" >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    if ! "$python" -c 'import ensurepip' 2>/dev/null && can_apt; then
        echo "Installing python3-venv with apt"
        as_root apt-get update -qq || true
        version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$version-venv" >/dev/null || true
    fi
    echo "Creating $venv with $("$python" --version)"
    "$python" -m venv "$venv" || {
        echo "Could not make a virtual environment. Install it: apt install python3-venv | dnf install python3 | brew install python" >&2
        exit 1
    }
fi
echo "Installing pinned dependencies (checked by hash)"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/python" -m pip install --quiet --require-hashes --no-deps -r constraints.txt
"$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
"$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable tests/plugin
