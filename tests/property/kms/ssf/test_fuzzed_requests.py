"""Any request whatever is answered with a status that SSF names, and never with a fault of ours."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms.ssf.addresses import AddressRefused, parse_endpoint
from kms.ssf.bodies import parse_object
from kms.ssf.errors import RequestInvalid
from kms.ssf.polling import SETS_MAX, parse_poll
from unit.kms.ssf.bench import POLL, PUSH, HttpAnswer, SsfBench, ssf_running

PATHS = [
    "/ssf/stream",
    "/ssf/status",
    "/ssf/subjects:add",
    "/ssf/subjects:remove",
    "/ssf/verify",
    "/ssf/originals/x",
    "/jwks.json",
]
NAMES = ["stream_id", "status", "reason", "subject", "state", "delivery", "events_requested", "description", "aud",
         "events_delivered", "verified", "ack", "setErrs", "maxEvents", "returnImmediately"]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([POLL, PUSH, "enabled", "paused", "disabled", "opaque", "complex", "https://e.com/"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["method", "endpoint_url", "format", "id", "err", "user"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
BODIES = st.binary(max_size=60) | st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5).map(
    lambda value: json.dumps(value).encode()
)
Asking = Callable[..., HttpAnswer]


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    """One transmitter for all examples, and a stream that most of them name."""
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        running = ssf_running(Path(folder))
        bench: SsfBench = runner.run(running.__aenter__())
        token = runner.run(bench.receiver()).token
        found: dict[str, str] = {}

        def ask(method: str, path: str, body: bytes, *, named: bool) -> HttpAnswer:
            listed: Any = runner.run(bench.call("GET", "/ssf/stream", token=token)).json
            found["id"] = listed[0]["stream_id"] if listed else runner.run(bench.stream(token))
            if named:
                body = body.replace(b"{", b'{"stream_id":"%b",' % found["id"].encode(), 1).replace(b",}", b"}")
            path = path.replace("ID", found["id"])
            return runner.run(bench.call(method, path, body, token=token))

        yield ask
        runner.run(running.__aexit__(None, None, None))


@settings(max_examples=250)
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "X"]),
    path=st.sampled_from([*PATHS, "/ssf/stream?stream_id=ID", "/ssf/status?stream_id=ID"]),
    body=BODIES,
    named=st.booleans(),
)
def test_no_request_makes_a_fault(asking: Asking, method: str, path: str, body: bytes, named: bool) -> None:
    answer = asking(method, path, body, named=named)
    assert answer.status in {200, 201, 204, 400, 403, 404, 405, 409, 429}, answer.content
    if answer.status >= 400:
        assert set(answer.json) == {"err", "description"}


@given(st.binary(max_size=200) | BODIES)
def test_bodies_are_read_or_refused(data: bytes) -> None:
    try:
        request = parse_poll(parse_object(data))
    except RequestInvalid:
        return
    assert 0 <= request.most <= SETS_MAX


@given(st.text(max_size=60) | st.text(max_size=40).map("https://{}".format))
def test_endpoints_are_read_or_refused(url: str) -> None:
    try:
        endpoint = parse_endpoint(url, ())
    except AddressRefused:
        return
    assert endpoint.is_tls or endpoint.host == "localhost"
    assert endpoint.target.startswith("/")
    assert (endpoint.authority + endpoint.target).isascii()
