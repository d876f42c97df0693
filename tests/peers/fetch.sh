#!/bin/sh
# Gets the tools of other people that tests/peers runs our log through. Installs nothing on the system: all of it goes
# into one folder, PEERS=DIR or ~/.cache/hallmark-peers; about 4 GB, most of it the sources that Debian has for Go. Run it
# again at any time: what is there stays. Remove the folder for newer versions.
#
# Ends with a line for each tool: its version, or why it is missing. A tool that is missing is no error: its tests
# skip with that line. Debian unstable, the Go module proxy and the Python index are reached the way this machine's
# own apt, go and pip are set up. Without apt, omniwitness needs a go of 1.25 or newer.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tokens/sid.sh"

PEERS=${PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/hallmark-peers}
PYTHON=${PYTHON:-python3}
mkdir -p "$PEERS/bin" "$PEERS/logs" "$PEERS/tools" "$PEERS/empty"

# tool NAME FUNCTION: runs FUNCTION, which prints the version last. The result is in $PEERS/tools/NAME, "ok ..." or
# "missing ...", and all that was printed in $PEERS/logs/NAME.log.
tool() {
    log=$PEERS/logs/$1.log
    echo "$1 ..." >&2
    set +e  # in a condition the shell would go on after a command that failed
    (set -e; "$2") >"$log" 2>&1 </dev/null
    status=$?
    set -e
    last=$(grep -v '^ *$' "$log" | tail -n 1)
    if [ "$status" = 0 ]; then result="ok $last"; else result="missing $last"; fi
    printf '%s\n' "$result" >"$PEERS/tools/$1"
}

# Debian unstable: torchwood's commands, a Go, and the sources of Tessera and torchwood with all they import.
debian() {
    if [ ! -f "$PEERS/debian/ready" ]; then
        sid_fetch "$PEERS/sid" torchwood
        sid_apt --download-only --no-install-recommends -y install torchwood golang-go \
            golang-github-transparency-dev-tessera-dev golang-filippo-torchwood-dev \
            golang-github-charmbracelet-bubbletea-dev golang-github-charmbracelet-lipgloss-dev
        rm -rf "$PEERS/debian" "$PEERS/debian.new"
        mkdir "$PEERS/debian.new"
        for package in "$PEERS"/sid/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$PEERS/debian.new"; done
        : >"$PEERS/debian.new/ready"
        mv "$PEERS/debian.new" "$PEERS/debian"
        rm -rf "$PEERS/sid/apt/cache" "$PEERS/sid/packages"
    fi
    "$(go_of_debian)" version
}

go_of_debian() {
    [ -f "$PEERS/debian/ready" ] || { echo "Debian's packages: $(cat "$PEERS/tools/debian")" >&2; return 1; }
    ls "$PEERS"/debian/usr/lib/go-*/bin/go | tail -n 1
}

version_of() {  # of a Debian package, by its changelog
    zcat "$PEERS/debian/usr/share/doc/$1"/changelog.Debian*.gz | head -n 1 | sed 's/.*(\(.*\)).*/\1 of Debian/'
}

# gopath_build OUTPUT ARGUMENTS...: with Debian's Go and sources only.
gopath_build() {
    go=$(go_of_debian)
    output=$1
    shift
    mkdir -p "$PEERS/gopath"
    ln -sfn "$PEERS/debian/usr/share/gocode/src" "$PEERS/gopath/src"
    (cd "$PEERS/empty" && GOROOT=$(dirname "$(dirname "$go")") GOPATH=$PEERS/gopath GOCACHE=$PEERS/gocache \
        GO111MODULE=off GOTOOLCHAIN=local GOPROXY=off GOFLAGS='' CGO_ENABLED=0 "$go" build -o "$output" "$@")
}

tessera_fsck() {
    gopath_build "$PEERS/bin/tessera-fsck" github.com/transparency-dev/tessera/cmd/fsck
    version_of golang-github-transparency-dev-tessera-dev
}

tessera_hammer() {
    gopath_build "$PEERS/bin/tessera-hammer" github.com/transparency-dev/tessera/internal/hammer
    version_of golang-github-transparency-dev-tessera-dev
}

torchwood_commands() {
    go_of_debian >/dev/null
    for name in litewitness witnessctl spicy-torchwood; do
        ln -sf "$PEERS/debian/usr/bin/$name" "$PEERS/bin/$name"
        [ -x "$PEERS/bin/$name" ] || { echo "Debian's torchwood has no $name"; return 1; }
    done
    version_of torchwood
}

torchwood_check() {
    gopath_build "$PEERS/bin/torchwood-check" "$here/go/torchwood/main.go"
    version_of golang-filippo-torchwood-dev
}

# module_build OUTPUT PACKAGE: from the Go module proxy that go itself is set up for, pinned by go/modules/go.sum.
module_build() {
    go=$(go_of_debian 2>/dev/null) || go=$(command -v go) || { echo "there is no Go here"; return 1; }
    mkdir -p "$PEERS/build"
    cp "$here/go/modules/go.mod" "$here/go/modules/go.sum" "$PEERS/build/"
    (
        cd "$PEERS/build"
        export GOPATH="$PEERS/modules" GOCACHE="$PEERS/gocache" GOFLAGS='-modcacherw -mod=mod' GOTOOLCHAIN=local CGO_ENABLED=0
        if [ ! -f merkle/proof/subtree.go ]; then
            merkle=$(cd "$PEERS/empty" && "$go" mod download -json github.com/transparency-dev/merkle@v0.0.2 \
                | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
            rm -rf merkle
            cp -R "$merkle" merkle
        fi
        cp "$here/go/modules/subtree.go" merkle/proof/
        "$go" build -o "$1" "$2"
        cmp -s go.sum "$here/go/modules/go.sum" || { echo "go.sum does not pin all that $2 needs"; return 1; }
    )
}

omniwitness() {
    module_build "$PEERS/bin/omniwitness" github.com/transparency-dev/witness/cmd/omniwitness
    sed -n 's/.*transparency-dev.witness //p' "$here/go/modules/go.mod"
}

tessera_fsck_ml_dsa() {
    module_build "$PEERS/bin/tessera-fsck-ml-dsa" github.com/transparency-dev/tessera/cmd/fsck
    sed -n 's/.*transparency-dev.tessera //p' "$here/go/modules/go.mod"
}

python_packages() {
    if ! cmp -s "$here/requirements.txt" "$PEERS/venv/requirements.txt"; then
        rm -rf "$PEERS/venv"
        "$PYTHON" -m venv "$PEERS/venv"
        "$PEERS/venv/bin/pip" install --quiet --require-hashes -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$PEERS/venv/requirements.txt"
    fi
    "$PEERS/venv/bin/python" -c '
from importlib.metadata import version
print(", ".join(f"{name} {version(name)}" for name in ("proofbundle", "scitt-cose", "sigstore")))'
}

model_signing() {  # in a virtual environment of its own: it pins what the others do not
    if ! cmp -s "$here/requirements-model-signing.txt" "$PEERS/venv-model-signing/requirements.txt"; then
        rm -rf "$PEERS/venv-model-signing"
        "$PYTHON" -m venv "$PEERS/venv-model-signing"
        "$PEERS/venv-model-signing/bin/pip" install --quiet --require-hashes -r "$here/requirements-model-signing.txt"
        cp "$here/requirements-model-signing.txt" "$PEERS/venv-model-signing/requirements.txt"
    fi
    "$PEERS/venv-model-signing/bin/python" -c '
from importlib.metadata import version
print(version("model-signing"), "with pyOpenSSL", version("pyOpenSSL"))'
}

tool debian debian
tool tessera-fsck tessera_fsck
tool tessera-hammer tessera_hammer
tool torchwood torchwood_commands
tool torchwood-check torchwood_check
tool omniwitness omniwitness
tool tessera-fsck-ml-dsa tessera_fsck_ml_dsa
tool python python_packages
tool model-signing model_signing

echo "In $PEERS:"
for name in debian tessera-fsck tessera-fsck-ml-dsa tessera-hammer torchwood torchwood-check omniwitness python \
    model-signing; do
    printf '  %-20s %s\n' "$name" "$(cat "$PEERS/tools/$name")"
done
