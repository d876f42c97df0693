"""The public files of a running service: types, cache times, and that a restart goes on with the same history."""

import json
import time
import urllib.request
from pathlib import Path

from support.service import RunningService, running_service

_SECONDS = 30


def _manifest(service: RunningService, least: int) -> dict[str, object]:
    deadline = time.monotonic() + _SECONDS
    url = f"{service.facts['public_url']}/status/default/manifest.json"
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                found: dict[str, object] = json.loads(response.read())
                if int(str(found["number"])) >= least:
                    assert response.headers["content-type"] == "application/json"
                    assert response.headers["cache-control"] == "public, max-age=10"
                    return found
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(service.log[-2000:])


def test_a_restart_goes_on_with_the_same_history(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        with service.client() as client:
            client.keys.create("first")
            client.revocations.revoke("first", "SUPERSEDED")
        first = _manifest(service, 1)
        service.kill()
        service.start()
        with service.client() as client:
            client.artifacts.suspend("ab" * 32)
        second = _manifest(service, int(str(first["number"])) + 1)
        assert second["epoch"] == first["epoch"]
        assert second["sequence"] == 2
        digest = str(second["state"]["sha256"])  # type: ignore[index]
        url = f"{service.facts['public_url']}/status/default/sets/{digest}"
        with urllib.request.urlopen(url, timeout=5) as response:
            assert response.headers["cache-control"].endswith("immutable")
            assert len(json.loads(response.read())["events"]) == 2
