#!/bin/sh
# A server as a pod has it, in namespaces of its own: nobody's user without capabilities, a root file system that can not
# be written, and volumes where the chart mounts them. Standard input: the settings, as the chart makes them.
# Usage: in_a_pod.sh FOLDER_OF_PROGRAMS; says what happened, a word a line.
set -eu
programs=$1

case ${2:-outside} in
outside)
    exec unshare --user --map-root-user --mount --net sh "$0" "$programs" volumes
    ;;
volumes)
    mount -t tmpfs tmpfs /var/lib
    mkdir -m 0770 /var/lib/hallmark /var/lib/hallmark-public /var/lib/tmp
    cat >/var/lib/hallmark.toml
    for volume in hallmark hallmark-public tmp; do mount --bind "/var/lib/$volume" "/var/lib/$volume"; done
    mount -o remount,ro,bind /var/lib
    mount -o remount,ro,bind /
    ip link set lo up
    exec unshare --user --map-user=10001 --map-group=10001 env --ignore-environment PATH="$programs:/usr/bin:/bin" \
        TMPDIR=/var/lib/tmp HALLMARK_HOME=/var/lib/hallmark/home HALLMARK__SERVER__DRAIN_NOTICE_SECONDS=0 \
        HALLMARK__LOG__GUARD_FILE=/var/lib/hallmark-public/guard/first-hallmark-0 sh "$0" "$programs" server
    ;;
server)
    echo "user $(id -u)"
    touch /usr/written 2>/dev/null || echo "root-is-read-only"
    hallmark serve --config /var/lib/hallmark.toml --json >"$TMPDIR/ready" 2>"$TMPDIR/log" &
    server=$!
    while [ ! -s "$TMPDIR/ready" ] && kill -0 "$server"; do sleep 0.1; done
    if python -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:7482/readyz")'; then echo ready; fi
    if hallmark keys create manifest >/dev/null; then echo key-made; fi
    [ -f /var/lib/hallmark-public/files/checkpoint ] && echo log-published
    [ -f /var/lib/hallmark-public/guard/first-hallmark-0 ] && echo guarded
    kill -TERM "$server"
    wait "$server" && echo "ended"
    grep '"level": *"ERROR"' "$TMPDIR/log" || true
    ;;
esac
