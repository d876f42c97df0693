"""Generates gen/hallmark/v1 from protos/: messages, gRPC stubs and type stubs. Generated code is never committed.

Usage: python scripts/generate_protos.py
"""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from grpc_tools import protoc


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed: run `make` again")
    return Path(next(iter(spec.submodule_search_locations)))


def generate(root: Path) -> None:
    protos = root / "protos"
    sources = sorted(str(path) for path in protos.rglob("*.proto"))
    fresh = root / "gen.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    includes = [protos, _package_folder("grpc_tools") / "_proto", _package_folder("google.rpc").parent.parent]
    command = ["protoc", *(f"-I{path}" for path in includes)]
    command += [f"--{kind}_out={fresh}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main([*command, *sources]) != 0:
        raise SystemExit("protoc refused the files in protos/: see its message above")
    (fresh / "hallmark" / "py.typed").touch()
    target = root / "gen"
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


if __name__ == "__main__":
    generate(Path(__file__).resolve().parent.parent)
    sys.stdout.write("gen/hallmark/v1 is up to date with protos/\n")
