#!/bin/sh
# Makes sure there is a PKCS#11 library: installs SoftHSM with apt when it can, otherwise says what to install.
for library in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so \
    /usr/lib64/softhsm/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so /opt/homebrew/lib/softhsm/libsofthsm2.so; do
    [ -e "$library" ] && exit 0
done
[ -n "${HALLMARK__HSM__MODULE:-}" ] && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    echo "Installing SoftHSM with apt"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq softhsm2 >/dev/null && exit 0
fi
echo "SoftHSM is missing and could not be installed from here. Install it, then run make again:" >&2
echo "  Debian, Ubuntu:  sudo apt install softhsm2" >&2
echo "  Fedora, RHEL:    sudo dnf install softhsm" >&2
echo "  macOS:           brew install softhsm" >&2
echo "Or name the library of your own HSM: HALLMARK__HSM__MODULE=/path/to/library.so make ..." >&2
exit 1
