"""Shared signals end to end: an admin lets a server in, a key is revoked, the server hears of it over HTTP."""

import http.client
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from hallmark.v1 import ssf_pb2, ssf_pb2_grpc
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService, running_service
from unit.kms.ssf.verifying import verified_claims

AUDIENCE = "https://mdm.example.com/"
CREDENTIAL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/credential-change"


SETTINGS = """
[ssf]
enabled = true
issuer = "https://signals.example.com"
port = 0
push_networks = ["127.0.0.0/8", "::1/128"]
push_interval_seconds = 0.1
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("ssf"), settings=SETTINGS) as running:
        yield running


@pytest.fixture
def port(service: RunningService) -> int:
    return _port(service)


def _port(service: RunningService) -> int:
    return int(str(service.facts["ssf_url"]).rpartition(":")[2])


@pytest.fixture
def admin(service: RunningService) -> Iterator[grpc.Channel]:
    with channel(service, "admin") as opened:
        yield opened


def _create(receiver: str, **changes: str) -> ssf_pb2.CreateSsfReceiverRequest:
    fields = {"parent": PARENT, "receiver_id": receiver, "audience": AUDIENCE, "request_id": fresh_id(), **changes}
    return ssf_pb2.CreateSsfReceiverRequest(**fields)


def _call(port: int, method: str, path: str, body: object = None, *, token: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None
    finally:
        connection.close()


def _about(poll: dict[str, Any], jwks: Any, subject: str) -> list[dict[str, Any]]:
    claims = [verified_claims(text, jwks, audience=AUDIENCE) for text in poll["sets"].values()]
    return [each for each in claims if each["sub_id"].get("id") == subject]


def test_a_revoked_key_is_told_to_a_receiver(service: RunningService, admin: grpc.Channel, port: int) -> None:
    stub = ssf_pb2_grpc.SsfServiceStub(admin)
    created = stub.CreateSsfReceiver(_create("mdm"), timeout=20)
    token = created.token
    status, stream = _call(port, "POST", "/ssf/stream", {"events_requested": [CREDENTIAL_CHANGE]}, token=token)
    assert (status, stream["iss"]) == (201, "https://signals.example.com")
    path = f"/ssf/poll/{stream['stream_id']}"
    answers: list[tuple[int, Any]] = []
    waiting = threading.Thread(target=lambda: answers.append(_call(port, "POST", path, {}, token=token)))
    waiting.start()
    with service.client() as client:
        key = fresh_name()
        client.keys.create(key)
        client.revocations.revoke(key, "KEY_COMPROMISE")
    waiting.join(40)
    ((status, poll),) = answers
    assert status == 200
    _, jwks = _call(port, "GET", "/jwks.json")
    while not (mine := _about(poll, jwks, f"{PARENT}/keys/{key}")):  # others set off things in this service too
        _, poll = _call(port, "POST", path, {"ack": [*poll["sets"]]}, token=token)
    (claims,) = mine
    assert claims["sub_id"]["format"] == "opaque"
    told = claims["events"][CREDENTIAL_CHANGE]
    assert (told["credential_type"], told["change_type"]) == ("signing-key", "revoke")
    original = told["hallmark.v1"]["original"]["uri"].removeprefix("https://signals.example.com")
    status, event = _call(port, "GET", original, token=token)
    assert (status, event["signature"]["context"]) == (200, "hallmark/revocation-event/v1")
    status, rest = _call(port, "POST", path, {"ack": [*poll["sets"]], "returnImmediately": True}, token=token)
    assert (status, _about(rest, jwks, f"{PARENT}/keys/{key}")) == (200, [])

    listed = stub.ListSsfReceivers(ssf_pb2.ListSsfReceiversRequest(parent=PARENT), timeout=20).receivers
    (found,) = [each for each in listed if each.name == created.receiver.name]
    assert (found.stream_status, found.delivery) == ("enabled", "poll")
    assert found.HasField("last_delivery_time")
    deleted = stub.DeleteSsfReceiver(ssf_pb2.DeleteSsfReceiverRequest(name=found.name), timeout=20)
    assert deleted.name == found.name
    assert _call(port, "POST", path, {}, token=token)[0] == 401


class _Pushed(BaseHTTPRequestHandler):
    """Takes every set, and hands it over."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.put((dict(self.headers), body.decode()))  # type: ignore[attr-defined]
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_set_is_pushed(admin: grpc.Channel, port: int) -> None:
    stub = ssf_pb2_grpc.SsfServiceStub(admin)
    token = stub.CreateSsfReceiver(_create("pushed-to"), timeout=20).token
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pushed) as receiver:
        receiver.taken = queue.Queue()  # type: ignore[attr-defined]
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        delivery = {
            "method": "urn:ietf:rfc:8935",
            "endpoint_url": f"http://127.0.0.1:{receiver.server_address[1]}/events",
            "authorization_header": "Bearer theirs",
        }
        _, stream = _call(port, "POST", "/ssf/stream", {"delivery": delivery}, token=token)
        body = {"stream_id": stream["stream_id"], "state": "hello"}
        assert _call(port, "POST", "/ssf/verify", body, token=token) == (204, None)
        headers, text = receiver.taken.get(timeout=20)  # type: ignore[attr-defined]
        receiver.shutdown()
    assert (headers["Content-Type"], headers["Authorization"]) == ("application/secevent+jwt", "Bearer theirs")
    _, jwks = _call(port, "GET", "/jwks.json")
    assert list(verified_claims(text, jwks, audience=AUDIENCE)["events"].values()) == [{"state": "hello"}]


def test_refusals(admin: grpc.Channel) -> None:
    stub = ssf_pb2_grpc.SsfServiceStub(admin)
    for wrong in (
        _create("MDM"),
        _create(""),
        _create("mdm", audience="mdm"),
        _create("mdm", parent="x"),
        _create("mdm", request_id=""),
    ):
        assert refused(stub.CreateSsfReceiver, wrong).code == grpc.StatusCode.INVALID_ARGUMENT
    foreign = _create("mdm", parent="tenants/another")
    assert refused(stub.CreateSsfReceiver, foreign).reason == "RESOURCE_NOT_FOUND"
    for name in (f"{PARENT}/ssfReceivers/none", "tenants/another/ssfReceivers/mdm"):
        request = ssf_pb2.DeleteSsfReceiverRequest(name=name)
        assert refused(stub.DeleteSsfReceiver, request).reason == "RESOURCE_NOT_FOUND"
    listing = ssf_pb2.ListSsfReceiversRequest(parent="tenants/another")
    assert refused(stub.ListSsfReceivers, listing).reason == "RESOURCE_NOT_FOUND"


def test_a_poll_that_waits_does_not_hold_up_the_end_of_the_service(tmp_path: Path) -> None:
    with running_service(tmp_path / "home", settings=SETTINGS) as running:
        port = _port(running)
        with channel(running) as opened:
            token = ssf_pb2_grpc.SsfServiceStub(opened).CreateSsfReceiver(_create("mdm"), timeout=20).token
        _, stream = _call(port, "POST", "/ssf/stream", {}, token=token)
        answers: list[tuple[int, Any]] = []
        path = f"/ssf/poll/{stream['stream_id']}"
        waiting = threading.Thread(target=lambda: answers.append(_call(port, "POST", path, {}, token=token)))
        waiting.start()
        waiting.join(0.5)
        assert running.stop() == 0
        waiting.join(5)
        assert answers == [(200, {"sets": {}})]
