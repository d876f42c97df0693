"""`hallmark status` and `hallmark artifacts` against the real service and its public files."""

import shutil
import time
import uuid
from typing import Any

from rpc.cli.conftest import warm_program as program
from rpc.wire import fresh_name
from support.service import RunningService

_SECONDS = 20


def _shown(hallmark: Any, url: str, sequence: int) -> dict[str, Any]:
    """The manifest, once it shows so much of the global feed."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        shown = hallmark("status", "show", "--public", url, "--json")
        if shown.code == 0 and shown.document["sequence"] >= sequence:
            return dict(shown.document)
        time.sleep(0.2)
    raise AssertionError(f"the manifest does not come: {shown.out}{shown.err}")


def test_what_is_taken_back_is_verified_from_the_files_alone(hallmark, service: RunningService, tmp_path) -> None:
    url, digest = str(service.facts["public_url"]), uuid.uuid4().hex * 2
    hallmark("log", "keys", "--output", "log.vkey")
    hallmark("keys", "create", fresh_name())
    first = hallmark("status", "show", "--public", url, "--json")
    before = first.document["sequence"] if first.code == 0 else 0
    suspended = hallmark("artifacts", "suspend", digest)
    assert (suspended.code, suspended.out.startswith(f"artifacts/{digest}: Suspended")) == (0, True)
    shown = _shown(hallmark, url, before + 1)
    assert (shown["fresh"], shown["tenant"]) == (True, "default")
    verify = ("status", "verify", "--public", url, "--vkey", "log.vkey")
    found = hallmark(*verify, "--json").document
    assert "error" not in found, found
    assert (found["verified"], found["number"] >= shown["number"]) == (True, True)
    assert found["subjects"] >= 1
    assert hallmark(*verify).out.startswith("The status of default holds")
    assert "SUSPENDED" in hallmark("artifacts", "list").out
    assert hallmark("artifacts", "resume", digest).code == 0
    assert hallmark("revoke", f"artifacts/{digest}", "--reason", "policy-violation").code == 0
    copy = tmp_path / "copy"
    shutil.copytree(service.home / "public", copy, ignore=shutil.ignore_patterns(".writing"))
    offline = program(*verify[:3], copy, *verify[4:], "--json", folder=tmp_path)
    assert offline.document["verified"], offline.err
    sets = copy / "status" / "default" / "sets"
    for path in sets.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    broken = program(*verify[:3], copy, *verify[4:], "--json", folder=tmp_path)
    assert (broken.code, broken.document["error"]["reason"]) == (1, "STATUS_BROKEN")


def test_a_token_is_read_at_its_uri(hallmark, service: RunningService, live_client) -> None:
    url = str(service.facts["public_url"])
    live_client_device = next(iter(live_client.devices.list()), None)
    deadline = time.monotonic() + _SECONDS
    lists: list[dict[str, Any]] = []
    while not lists and time.monotonic() < deadline and live_client_device is not None:
        lists = _shown(hallmark, url, 0)["lists"]
        time.sleep(0.2)
    for each in lists:
        token = hallmark("status", "fetch", each["uri"], "--index", "7", "--json")
        assert token.code == 0, token.err
        assert (token.document["uri"], token.document["raw_sha256"]) == (each["uri"], each["raw_sha256"])
        assert token.document["status"] in {"VALID", "INVALID", "SUSPENDED"}


def test_mistakes_are_explained(hallmark, service: RunningService, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    hallmark("log", "keys", "--output", "log.vkey")
    missing = hallmark("status", "verify", "--public", "empty", "--vkey", "log.vkey")
    assert (missing.code, "manifest.json" in missing.err or "latest.json" in missing.err) == (2, True)
    assert hallmark("status", "show", "--public", "empty").code == 2
    assert hallmark("status", "fetch", "no-url").code == 2
    assert hallmark("artifacts", "suspend", "abc").code == 2
    model = f"model-{uuid.uuid4().hex[:8]}"
    assert hallmark("artifacts", "min-version", model, "3").code == 0
    assert hallmark("artifacts", "min-version", model, "2").code == 3


def test_sizes_are_those_of_real_lists(hallmark) -> None:
    found = hallmark("status", "sizes", "--devices", "1000000", "--revoked", "0.001", "--json").document
    assert (found["lists"], found["raw_bytes"], found["revoked"]) == (2, 2 * 2**18, 1000)
    assert 1000 < found["zlib_bytes"] < 8000
    assert found["delta_of_one_bytes"] < 200
