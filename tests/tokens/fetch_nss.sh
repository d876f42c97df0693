#!/bin/sh
# Fetches NSS softoken (a PKCS#11 token with ML-DSA) from Debian unstable for tests/tokens. No root needed.
set -eu
. "$(dirname "$0")/sid.sh"

home=$(tokens_folder)/nss
if [ -f "$home/root/ready" ]; then
    echo "NSS softoken is at $home/root"
    exit 0
fi
sid_fetch "$home" libnss3
rm -rf "$home/root.new"
mkdir "$home/root.new"
for package in "$home"/packages/libnss3_*.deb; do dpkg-deb -x "$package" "$home/root.new"; done
library=$(find "$home/root.new" -name libsoftokn3.so)
[ -n "$library" ] || { echo "the package holds no libsoftokn3.so" >&2; exit 1; }
dirname "$library" >"$home/root.new/ready"
# libnspr4 and libsqlite3 come from this machine: sid's libnspr4 asks for a newer C library than Debian 12 has.
for needed in libnspr4.so libsqlite3.so.0; do
    ldconfig -p | grep -q "$needed" || { echo "missing $needed: apt install libnspr4 libsqlite3-0" >&2; exit 1; }
done
sed -i "s|root.new|root|" "$home/root.new/ready"
rm -rf "$home/root"
mv "$home/root.new" "$home/root"
echo "NSS softoken is at $home/root"
