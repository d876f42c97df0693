"""SIGKILL while the log is being copied into a bucket, again and again: the copy is whole at every moment, then follows."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import MissingResource
from hallmark_tlog.vkey import parse_vkey
from kms.public.files import FolderPublicFiles, PublicFiles
from kms.public.object_store import BucketAddress, open_bucket
from support.fault_runs import LONG
from support.log_appender import ORIGIN

ROUNDS = 8 if LONG else 3


def run_and_kill(folder: Path, bucket: BucketAddress, seconds: float) -> None:
    command = [sys.executable, "-m", "support.log_exporter", str(folder), bucket.bucket, str(bucket.endpoint)]
    tests = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH", "")]))
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == b"copied\n", "it never came to a copy"
            time.sleep(seconds)
        finally:
            child.kill()


async def test_killed_again_and_again(tmp_path: Path, bucket_address: BucketAddress) -> None:
    bucket_address = BucketAddress(bucket=bucket_address.bucket, endpoint=bucket_address.endpoint, region="us-east-1")
    bucket = open_bucket(bucket_address)
    moments = random.Random(3)
    previous: Checkpoint | None = None
    for _ in range(ROUNDS):
        run_and_kill(tmp_path, bucket_address, moments.uniform(0.05, 0.5))
        keys = [parse_vkey(line) for line in (tmp_path / "public" / "verifier-keys").read_text().splitlines()]
        names = {path: await bucket.read(path) for path in await _paths(bucket, "")}

        def fetch(path: str, names: dict[str, bytes | None] = names) -> bytes:
            content = names.get(path)
            if content is None:
                raise MissingResource(path)
            return content

        report = audit(fetch, keys, origin=ORIGIN, previous=previous)
        assert report.checkpoint.size > (0 if previous is None else previous.size), "it follows"
        previous = report.checkpoint
        for path, content in names.items():
            if path.startswith("tile/"):
                ours = await FolderPublicFiles(tmp_path / "public").read(path)
                assert ours == content or (ours is None and ".p/" in path), "byte for byte"


async def _paths(files: PublicFiles, folder: str) -> list[str]:
    found: list[str] = []
    for name in await files.names(folder):
        path = f"{folder}/{name.rstrip('/')}".lstrip("/")
        found += await _paths(files, path) if name.endswith("/") else [path]
    return found
