"""A real S3 server on loopback for tests: moto's, from the environment's packages or from PATH; else tests skip."""

import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms.public.object_store import BucketAddress, ObjectStorePublicFiles, open_bucket

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "of-no-value"}
_START_SECONDS = 30.0


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """URL of an S3 server without any bucket."""
    pytest.importorskip("obstore", reason="obstore is not installed: pip install 'hallmark[s3]'")
    command = _moto_server()
    if command is None:
        pytest.skip("no S3 server: pip install 'moto[server]', or put its moto_server on PATH")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as output:
        arguments = [*command, "-H", "127.0.0.1", "-p", str(port)]
        with subprocess.Popen(arguments, stdout=output, stderr=output) as server:
            try:
                _wait_for(port, server)
                yield endpoint
            finally:
                server.kill()


@pytest.fixture
def bucket_address(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> BucketAddress:
    """A prefix in a fresh bucket, and credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    bucket = f"test-{uuid.uuid4().hex}"
    request = urllib.request.Request(f"{s3_endpoint}/{bucket}", method="PUT")
    with urllib.request.urlopen(request, timeout=10):
        pass
    return BucketAddress(bucket=bucket, prefix="a/log", endpoint=s3_endpoint, region="us-east-1")


@pytest.fixture
def bucket(bucket_address: BucketAddress) -> ObjectStorePublicFiles:
    return open_bucket(bucket_address)


def _moto_server() -> list[str] | None:
    if importlib.util.find_spec("moto") is not None and importlib.util.find_spec("flask_cors") is not None:
        return [sys.executable, "-W", "ignore", "-m", "moto.server"]
    found = shutil.which("moto_server")
    return None if found is None else [str(Path(found).resolve())]


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the S3 server did not start")
