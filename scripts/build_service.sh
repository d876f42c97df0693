#!/bin/sh
# Builds the service as the container has it, in two steps that share a folder of wheels. The Containerfile runs them;
# they run anywhere else too, with the same result.
#
#   build_service.sh wheels WHEELS          every pinned package, checked by hash, into the folder WHEELS
#   build_service.sh service WHEELS TARGET  a virtual environment TARGET with the service, what it needs to run, and
#                                           nothing else: no compiler, no test tool, no pip
# EXTRAS=postgresql,s3,otel   of pyproject.toml
set -eu
step=$1
wheels=$2
PYTHON=${PYTHON:-python3}
EXTRAS=${EXTRAS:-postgresql,s3,otel}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_CACHE_DIR=1

case $step in
wheels)
    # Nothing is built from somebody else's source, which would run code that no hash covers: a package without a wheel
    # for this machine ends the build.
    "$PYTHON" -m pip download --quiet --require-hashes --no-deps --only-binary :all: --dest "$wheels" \
        --requirement constraints.txt
    ;;
service)
    target=$3
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    "$PYTHON" -m venv "$tools/venv"
    # The build back end and protoc, out of the checked wheels; the network is not asked again.
    "$tools/venv/bin/pip" install --quiet --no-index --find-links "$wheels" hatchling grpcio-tools \
        googleapis-common-protos setuptools
    "$tools/venv/bin/pip" wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir "$tools" .
    "$PYTHON" -m venv --without-pip "$target"
    "$tools/venv/bin/pip" --python "$target/bin/python" install --quiet --no-index --find-links "$wheels" \
        --no-compile "$(ls "$tools"/hallmark-*.whl)[$EXTRAS]"
    "$target/bin/python" -m compileall -q -j 0 "$target/lib"
    ;;
*)
    echo "build_service.sh wheels WHEELS | service WHEELS TARGET" >&2
    exit 2
    ;;
esac
