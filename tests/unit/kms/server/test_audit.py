import io
import json
import logging
from collections.abc import Iterator

import pytest

from kms.core.call import Call, Channel
from kms.core.identity import Caller, Role
from kms.core.telemetry import JsonFormatter, LineHandler, LineWriter
from kms.server.audit import Entry, record
from support.clock import START

CHANNEL = Channel(peer='ipv4:127.0.0.1:1"\n', tls_version="TLSv1.3", group="X25519MLKEM768")
CALLER = Caller("spiffe://x/tenants/default/backend/b", "default", Role.BACKEND, "b")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = LineHandler(LineWriter(stream))
    handler.setFormatter(JsonFormatter())
    root, audit = logging.getLogger(), logging.getLogger("hallmark.audit")
    root.addHandler(handler)
    audit.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    audit.setLevel(logging.NOTSET)
    handler.writer.flush()


def _entry(call: Call | None = None) -> Entry:
    return Entry("id-1", "/hallmark.v1.SigningService/Sign", CHANNEL, START, 0.0, call, 3)


def _read(stream: io.StringIO) -> dict:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler):
            handler.writer.flush()
    [line] = stream.getvalue().splitlines()
    return json.loads(line)


def test_a_line_says_who_what_over_what_and_how_it_ended(lines: io.StringIO) -> None:
    call = Call("id-1", "/hallmark.v1.SigningService/Sign", CALLER, CHANNEL, START)
    record(_entry(call), "OK", "")
    line = _read(lines)
    assert line.pop("milliseconds") > 0
    assert line == {
        "time": "2026-11-21T12:00:00.000000Z",
        "level": "info",
        "logger": "hallmark.audit",
        "message": "call",
        "call_id": "id-1",
        "method": "/hallmark.v1.SigningService/Sign",
        "caller": CALLER.spiffe_id,
        "tenant": "default",
        "peer": CHANNEL.peer,
        "tls_version": "TLSv1.3",
        "tls_group": "X25519MLKEM768",
        "items": 3,
        "outcome": "OK",
        "reason": "",
    }


def test_who_did_not_get_in_has_a_line_too(lines: io.StringIO) -> None:
    record(_entry(), "UNAUTHENTICATED", "CERTIFICATE_UNKNOWN")
    line = _read(lines)
    assert (line["caller"], line["reason"]) == ("", "CERTIFICATE_UNKNOWN")
