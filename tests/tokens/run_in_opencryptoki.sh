#!/bin/sh
# Runs a command where opencryptoki's soft token is installed and ready: sh run_in_opencryptoki.sh COMMAND...
#
# Needs root, for a mount namespace of its own. Inside it, and nowhere else, the files of fetch_opencryptoki.sh lie over
# this machine's /usr, /etc and /var; what is written there is gone at the end, as are all processes.
# Inside, HALLMARK_OPENCRYPTOKI names the PKCS#11 library; the token is labelled hallmark-ock (see opencryptoki.py).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/sid.sh"

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || { echo "run_in_opencryptoki.sh needs root" >&2; exit 77; }
    root=$(tokens_folder)/opencryptoki/root
    [ -f "$root/ready" ] || { echo "opencryptoki is not fetched: run tests/tokens/fetch_opencryptoki.sh" >&2; exit 77; }
    exec unshare --mount --pid --ipc --fork --mount-proc --kill-child sh "$0" --inside "$root" "$@"
fi

root=$2
shift 2
scratch=$(mktemp -d)
mount -t tmpfs tmpfs "$scratch"
for folder in usr etc var; do
    mkdir -p "$scratch/$folder/upper" "$scratch/$folder/work"
    lower=/$folder
    [ -d "$root/$folder" ] && lower=$root/$folder:/$folder
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$scratch/$folder/upper,workdir=$scratch/$folder/work" "/$folder"
done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
mkdir -p /run/lock /run/opencryptoki

getent group pkcs11 >/dev/null || groupadd --system pkcs11
getent passwd pkcsslotd >/dev/null || useradd --system --gid pkcs11 --no-create-home pkcsslotd
usermod --append --groups pkcs11 root
cat >/etc/opencryptoki/opencryptoki.conf <<CONF
version opencryptoki-3.27
slot 3
{
stdll = libpkcs11_sw.so
tokversion = 3.12
}
CONF
mkdir -p /var/lock/opencryptoki/swtok /var/log/opencryptoki /var/lib/opencryptoki/swtok/TOK_OBJ
chown -R root:pkcs11 /var/lib/opencryptoki /var/log/opencryptoki /var/lock/opencryptoki /etc/opencryptoki
chmod 770 /var/lib/opencryptoki /var/lib/opencryptoki/swtok /var/lib/opencryptoki/swtok/TOK_OBJ \
    /var/log/opencryptoki /var/lock/opencryptoki /var/lock/opencryptoki/swtok
chmod 640 /etc/opencryptoki/strength.conf
chown pkcsslotd:pkcs11 /run/opencryptoki
chmod 710 /run/opencryptoki
/usr/sbin/pkcsslotd

HALLMARK_OPENCRYPTOKI=$(find /usr/lib -path '*/pkcs11/libopencryptoki.so' | head -n 1)
export HALLMARK_OPENCRYPTOKI
"$here/../../.venv/bin/python" -P "$here/make_opencryptoki_token.py"
"$@"
