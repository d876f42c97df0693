"""AuditService of the real service: true counts of what the test itself does, and no secret in any line."""

import base64
import contextlib
import importlib
import json
import pkgutil
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

import hallmark.v1
from hallmark.v1 import audit_pb2
from hallmark_client.audit_rpc import LIST_SESSIONS
from hallmark_client.errors import InvalidArgument, NotFound, PermissionDenied
from rpc.wire import channel
from support.secrets_on_disk import PIN_FILES
from support.service import RunningService, running_service

SETTINGS = "[audit]\nflush_seconds = 0.2\n"
SOON = 15.0
MARK = b"MARKED-message-that-must-not-show"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own: its counts are this file's."""
    with running_service(tmp_path_factory.mktemp("audited"), settings=SETTINGS) as running:
        yield running


def _eventually(look: Callable[[], Any]) -> Any:
    """What was counted is written a moment later."""
    deadline = time.monotonic() + SOON
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found
    return found


def _settled(look: Callable[[], Any]) -> Any:
    """Nothing is on its way any more: what other tests did was counted."""
    deadline, found = time.monotonic() + SOON, look()
    while time.monotonic() < deadline:
        time.sleep(1)
        before, found = found, look()
        if _counts(before.signatures) == _counts(found.signatures):
            return found
    raise AssertionError("somebody signs all the time")


def _counts(shares: Any) -> dict[str, int]:
    return {share.algorithm: share.count for share in shares}


def test_GetCoverageReport(audited: RunningService) -> None:
    """GetCoverageReport( counts keys and signatures exactly."""
    with audited.client() as admin, audited.client("auditor") as auditor:
        before = _settled(auditor.audit.coverage)
        admin.keys.create("hybrid-of-audit")
        admin.keys.create("plain-of-audit", algorithm="ED25519")
        for number in range(3):
            admin.signing.sign("hybrid-of-audit", b"%d" % number)
        admin.signing.sign("plain-of-audit", b"x")

        def signed() -> Any:
            found = auditor.audit.coverage()
            return (
                found
                if sum(_counts(found.signatures).values()) >= sum(_counts(before.signatures).values()) + 4
                else None
            )

        report = _eventually(signed)
        for name, more in (("id-MLDSA65-ECDSA-P256-SHA512", 3), ("Ed25519", 1)):
            assert _counts(report.signatures)[name] == _counts(before.signatures).get(name, 0) + more
            assert _counts(report.keys)[name] == _counts(before.keys).get(name, 0) + 1
        assert 0 < report.signatures_covered < 1
        assert _counts(report.sessions) == {"X25519MLKEM768": sum(_counts(report.sessions).values())}
        assert report.sessions_covered == 1
        assert _counts(report.tls_versions).keys() == {"TLSv1.3"}
        assert _counts(report.certificate_keys).keys() == {"ECDSA P-256"}
        named = {each.what for each in report.classical_only}
        assert "Versions of keys (Ed25519)" in named
        assert "Sessions whose client certificate is classical (ECDSA P-256)" in named
        everything = admin.audit.coverage(all_tenants=True)
        assert sum(_counts(everything.keys).values()) > sum(_counts(report.keys).values()), "the service's own, too"


def test_a_window_is_as_it_was_asked_for(audited: RunningService) -> None:
    with audited.client("auditor") as auditor:
        now = datetime.now(UTC)
        past = auditor.audit.coverage(since=now - timedelta(days=90), until=now - timedelta(days=60))
        assert past.sessions == past.signatures == ()
        assert past.sessions_covered == 1
        with pytest.raises(InvalidArgument):
            auditor.audit.coverage(since=now, until=now - timedelta(days=1))


def test_all_tenants_are_for_operators(audited: RunningService) -> None:
    with audited.client("auditor") as auditor:
        with pytest.raises(NotFound):
            auditor.audit.coverage(all_tenants=True)
        with pytest.raises(NotFound):
            next(auditor.audit.sessions(all_tenants=True))
    with audited.client("device") as device, pytest.raises(PermissionDenied):
        device.audit.coverage()


def test_ListSessions(audited: RunningService) -> None:
    """ListSessions( shows this very connection, its calls and refusals."""
    with audited.client("backend") as backend:
        backend.capabilities()
        for _ in range(2):
            with pytest.raises(PermissionDenied):
                backend.keys.create("not-mine")
    with audited.client("auditor") as auditor:

        def find() -> Any:
            listed = auditor.audit.sessions(page_size=1)
            mine = [each for each in listed if each.caller.endswith("/backend/backend") and each.refused == 2]
            return mine[0] if mine and mine[0].calls == 3 else None

        session = _eventually(find)
        assert (session.tls_version, session.tls_group, session.authentication) == ("TLSv1.3", "X25519MLKEM768", "mtls")
        assert (session.certificate_key, session.certificate_signature) == ("ECDSA P-256", "ECDSA-SHA256")
        assert session.bytes > 0
        assert session.start_time <= session.last_time
        assert list(auditor.audit.sessions(classical_only=True)) == []
        times = [each.start_time for each in auditor.audit.sessions()]
        assert times == sorted(times, reverse=True)


def test_a_token_that_is_none_is_refused(audited: RunningService) -> None:
    with audited.client("auditor") as auditor:
        calls = auditor.audit._calls
        request = audit_pb2.ListSessionsRequest(parent=calls.names.parent, page_token="AAAA")
        with pytest.raises(InvalidArgument) as caught:
            calls(LIST_SESSIONS, request, lambda answer: answer)
        assert caught.value.reason == "PAGE_TOKEN_INVALID"


def test_a_line_says_what_was_asked_about_and_over_what(audited: RunningService) -> None:
    with audited.client() as admin:
        admin.keys.create("of-a-line")
        admin.signing.sign("of-a-line", MARK)
    line = next(line for line in reversed(audited.audit()) if line["method"].endswith("/Sign"))
    assert line["resources"] == ["tenants/default/keys/of-a-line"]
    assert (line["authentication"], line["certificate_key"]) == ("mtls", "ECDSA P-256")
    assert line["certificate_signature"] == "ECDSA-SHA256"
    assert len(str(line["session"])) == 16
    assert int(str(line["received"])) > len(MARK)
    assert int(str(line["sent"])) > 1000
    assert MARK.decode() not in audited.log


SECRET = "MARKED Secret! 7f3a"
SECRET_BYTES = b"MARKED-secret-bytes-7f3a9c51"


def _methods() -> list[MethodDescriptor]:
    modules = [module.name for module in pkgutil.iter_modules(hallmark.v1.__path__) if module.name.endswith("_pb2")]
    files = [importlib.import_module(f"hallmark.v1.{name}").DESCRIPTOR for name in sorted(modules)]
    return [method for file in files for service in file.services_by_name.values() for method in service.methods]


def _fill(message: Message, *, named: bool, depth: int = 0) -> None:
    """A secret into every field that holds text or bytes. `named`: names are good ones, so that it gets further."""
    for field in message.DESCRIPTOR.fields:
        is_name = named and field.name in {"name", "parent"}
        match field.type:
            case FieldDescriptor.TYPE_STRING if field.name == "request_id" and named:
                value: Any = str(uuid.uuid4())
            case FieldDescriptor.TYPE_STRING:
                value = "tenants/default" if is_name else SECRET
            case FieldDescriptor.TYPE_BYTES:
                value = SECRET_BYTES
            case FieldDescriptor.TYPE_MESSAGE if depth < 3 and not field.message_type.GetOptions().map_entry:
                inner = getattr(message, field.name)
                _fill(inner.add() if field.is_repeated else inner, named=named, depth=depth + 1)
                continue
            case _:
                continue
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)


def _call(open_channel: grpc.Channel, method: MethodDescriptor, request: Message, metadata: Any) -> None:
    """Whatever it answers. A stream is left after its first message."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    encode, ways = type(request).SerializeToString, ("unary", "stream")
    kind = f"{ways[method.client_streaming]}_{ways[method.server_streaming]}"
    stub = getattr(open_channel, kind)(path, request_serializer=encode, response_deserializer=bytes)
    with contextlib.suppress(grpc.RpcError, StopIteration):
        answer = stub(iter([request]) if method.client_streaming else request, timeout=2, metadata=metadata)
        if method.server_streaming:
            try:
                next(answer)
            finally:
                answer.cancel()


@pytest.mark.parametrize("named", [False, True])
def test_no_rpc_writes_what_it_was_given_into_the_log(audited: RunningService, named: bool) -> None:
    """PINs, bytes of keys and messages, evidence, tokens, plaintexts: of every field of every RPC."""
    methods = _methods()
    with channel(audited) as admin, channel(audited, "device") as device:
        for method in methods:
            request = message_factory.GetMessageClass(method.input_type)()
            _fill(request, named=named)
            for caller, metadata in ((admin, ()), (device, ()), (admin, (("authorization", f"Bearer {SECRET}"),))):
                _call(caller, method, request, metadata)
    lines = audited.audit()
    called = {line["method"] for line in lines}
    assert {f"/{method.containing_service.full_name}/{method.name}" for method in methods} <= called
    text = audited.log
    pins = [(audited.home / "hsm" / name).read_text().strip() for name in PIN_FILES]
    encoded = [SECRET_BYTES.hex(), base64.b64encode(SECRET_BYTES).decode().rstrip("=")]
    for secret in (SECRET, SECRET.replace(" ", "%20"), SECRET_BYTES.decode(), *encoded, *pins):
        assert secret not in text, _around(text, secret)
    assert "BEGIN" not in text, "no key and no certificate"
    for line in text.splitlines():
        assert not line.startswith("{") or json.loads(line)


def _around(text: str, secret: str) -> str:
    place = text.index(secret)
    return text[max(0, place - 300) : place + 100]
