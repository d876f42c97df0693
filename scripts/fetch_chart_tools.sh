#!/bin/sh
# Gets what tests/helm validates the chart with: helm, built by go through the Go module proxy, and Kubernetes' own JSON
# schemas in the Python package kubernetes-validate. Installs nothing on the system: all of it goes into one folder,
# CHART_TOOLS=DIR or ~/.cache/hallmark-chart-tools; about 250 MB, most of it schemas. Run it again at any time: what
# is there stays. Remove the folder for newer versions.
#
# Ends with a line for each tool: its version, or why it is missing. A tool that is missing is no error: its tests skip
# with that line. helm needs a go of 1.24 or newer.
set -eu

TOOLS=${CHART_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/hallmark-chart-tools}
PYTHON=${PYTHON:-python3}
HELM=${HELM_VERSION:-v3.22.0}
SCHEMAS=${KUBERNETES_VALIDATE_VERSION:-1.37.0}
mkdir -p "$TOOLS/bin" "$TOOLS/logs" "$TOOLS/tools"

# tool NAME FUNCTION: runs FUNCTION, which prints the version last. The result is in $TOOLS/tools/NAME, "ok ..." or
# "missing ...", and all that was printed in $TOOLS/logs/NAME.log.
tool() {
    log=$TOOLS/logs/$1.log
    echo "$1 ..." >&2
    set +e  # in a condition the shell would go on after a command that failed
    (set -e; "$2") >"$log" 2>&1 </dev/null
    status=$?
    set -e
    last=$(grep -v '^ *$' "$log" | tail -n 1)
    if [ "$status" = 0 ]; then result="ok $last"; else result="missing $last"; fi
    printf '%s\n' "$result" >"$TOOLS/tools/$1"
}

helm() {
    if [ ! -x "$TOOLS/bin/helm" ]; then
        command -v go >/dev/null || { echo "there is no go on this machine" >&2; return 1; }
        # Modules are verified against Go's checksum database; their caches stay in our folder.
        GOBIN=$TOOLS/bin GOMODCACHE=$TOOLS/go/mod GOCACHE=$TOOLS/go/build GOFLAGS=-modcacherw \
            go install "helm.sh/helm/v3/cmd/helm@$HELM"
        rm -rf "$TOOLS/go"
    fi
    echo "$HELM, $("$TOOLS/bin/helm" version --short)"
}

schemas() {
    if [ ! -x "$TOOLS/venv/bin/python" ]; then
        rm -rf "$TOOLS/venv.new"
        "$PYTHON" -m venv "$TOOLS/venv.new"
        rm -rf "$TOOLS/venv"
        mv "$TOOLS/venv.new" "$TOOLS/venv"
    fi
    "$TOOLS/venv/bin/python" -m pip install --quiet --disable-pip-version-check "kubernetes-validate==$SCHEMAS"
    "$TOOLS/venv/bin/python" -c 'from importlib.metadata import version; print(version("kubernetes-validate"))'
}

tool helm helm
tool schemas schemas
for name in helm schemas; do printf '%-8s %s\n' "$name" "$(cat "$TOOLS/tools/$name")"; done
