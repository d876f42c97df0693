import io
import json
import logging
from collections.abc import Iterator

import pytest

from kms.audit.model import CertificateFacts
from kms.audit.naming import NAMES_MAX
from kms.audit.recorder import Recorder
from kms.core.call import Call, Channel
from kms.core.identity import Caller, Role
from kms.core.telemetry import JsonFormatter, LineHandler, LineWriter
from kms.server.audit import Entry, record
from kms.server.audit_sessions import SessionObserver
from support.clock import START, FakeClock
from support.randomness import SeededRandomness
from unit.kms.audit.bench import make_certificate

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
        "authentication": "mtls",
        "peer": CHANNEL.peer,
        "tls_version": "TLSv1.3",
        "tls_group": "X25519MLKEM768",
        "certificate_key": "",
        "certificate_signature": "",
        "session": "",
        "resources": [],
        "statements": [],
        "items": 3,
        "received": 0,
        "sent": 0,
        "outcome": "OK",
        "reason": "",
    }


def test_who_did_not_get_in_has_a_line_too(lines: io.StringIO) -> None:
    record(_entry(), "UNAUTHENTICATED", "CERTIFICATE_UNKNOWN")
    line = _read(lines)
    assert (line["caller"], line["reason"]) == ("", "CERTIFICATE_UNKNOWN")


def test_what_was_asked_about_and_what_decided_stand_in_the_line(lines: io.StringIO) -> None:
    entry = _entry(Call("id-1", "/hallmark.v1.SigningService/Sign", CALLER, CHANNEL, START))
    entry.asked = ("tenants/default/keys/a", 'my PIN is "1234"', "tenants/default/keys/b/versions/2")
    entry.statements = ('"@id', "backends-sign")
    entry.received, entry.sent = 120, 3400
    entry.session, entry.certificate = "00000000000000aa", CertificateFacts("ECDSA P-256", "ECDSA-SHA256")
    record(entry, "OK", "")
    line = _read(lines)
    assert line["resources"] == ["tenants/default/keys/a", "?", "tenants/default/keys/b/versions/2"]
    assert line["statements"] == ['"@id', "backends-sign"]
    assert (line["received"], line["sent"], line["session"]) == (120, 3400, "00000000000000aa")
    assert (line["certificate_key"], line["certificate_signature"]) == ("ECDSA P-256", "ECDSA-SHA256")


def test_a_batch_shows_its_first_names(lines: io.StringIO) -> None:
    entry = _entry()
    entry.asked = tuple(f"tenants/default/keys/k{number}" for number in range(100))
    record(entry, "OK", "")
    assert len(_read(lines)["resources"]) == NAMES_MAX


def test_sessions_are_set_before_the_line_is_written() -> None:
    recorder = Recorder(SeededRandomness())
    observer = SessionObserver(recorder, FakeClock())
    entry = _entry()
    observer.admitted(entry, {})
    observer.finished(entry, "UNAUTHENTICATED", "CERTIFICATE_UNKNOWN")
    assert not recorder.take().sessions, "who did not get in has no session"
    entry.call = Call("id-1", "/hallmark.v1.SigningService/Sign", CALLER, CHANNEL, START)
    observer.admitted(entry, {"x509_pem_cert": [make_certificate()]})
    assert entry.session
    assert entry.certificate == CertificateFacts("ECDSA P-256", "ECDSA-SHA256")
    entry.received, entry.sent, entry.asked = 3, 4, ("tenants/default/keys/a",)
    observer.finished(entry, "PERMISSION_DENIED", "ACCESS_DENIED")
    batch = recorder.take()
    assert [(each.id, each.refused, each.bytes) for each in batch.sessions] == [(entry.session, 1, 7)]
    assert [(row.kind.resource, row.kind.allowed) for row in batch.seen] == [("tenants/default/keys/a", False)]


@pytest.mark.parametrize(
    ("outcome", "reason", "refused"),
    [
        ("OK", "", 0),
        ("NOT_FOUND", "RESOURCE_NOT_FOUND", 0),
        ("FAILED_PRECONDITION", "PQ_TLS_REQUIRED", 1),
        ("RESOURCE_EXHAUSTED", "RATE_LIMITED", 1),
        ("PERMISSION_DENIED", "ROLE_NOT_ALLOWED", 1),
    ],
)
def test_a_refused_call_is_one_that_was_not_let_in(outcome: str, reason: str, refused: int) -> None:
    recorder = Recorder(SeededRandomness())
    observer = SessionObserver(recorder, FakeClock())
    entry = _entry(Call("id-1", "/hallmark.v1.SigningService/Sign", CALLER, CHANNEL, START))
    observer.admitted(entry, {})
    observer.finished(entry, outcome, reason)
    assert recorder.take().sessions[0].refused == refused
