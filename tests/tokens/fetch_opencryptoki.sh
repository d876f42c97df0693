#!/bin/sh
# Fetches opencryptoki 3.27 (its soft token has ML-DSA) and the C library it needs from Debian unstable for tests/tokens.
# Nothing is installed; run_in_opencryptoki.sh uses the files in place.
set -eu
. "$(dirname "$0")/sid.sh"

home=$(tokens_folder)/opencryptoki
if [ -f "$home/root/ready" ]; then
    echo "opencryptoki is at $home/root"
    exit 0
fi
# The last ones are what the first ones need and Debian 12 has only in older versions.
sid_fetch "$home" opencryptoki libopencryptoki0 libssl3t64 libcap2 libldap2 libsasl2-2 libtspi1 \
    libc6 libgcc-s1 libstdc++6 zlib1g libzstd1 libdb5.3t64 libcrypt1 libffi8 libbz2-1.0 liblzma5
rm -rf "$home/root.new"
mkdir "$home/root.new"
for package in "$home"/packages/*.deb; do dpkg-deb -x "$package" "$home/root.new"; done
find "$home/root.new" -name 'libpkcs11_sw.so*' | grep -q . || { echo "the package holds no soft token" >&2; exit 1; }
touch "$home/root.new/ready"
rm -rf "$home/root"
mv "$home/root.new" "$home/root"
echo "opencryptoki is at $home/root"
