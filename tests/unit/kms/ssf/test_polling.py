"""Poll delivery (RFC 8936) end to end: an event happens, a receiver fetches, verifies and acknowledges it."""

import asyncio
import base64
import hashlib
import json

import pytest

from unit.kms.ssf.bench import AUDIENCE, CREDENTIAL_CHANGE, ISSUER, SsfBench
from unit.kms.ssf.verifying import verified_claims


async def _claims(bench: SsfBench, answer: dict[str, object]) -> list[dict[str, object]]:
    jwks = (await bench.call("GET", "/jwks.json")).json
    sets = answer["sets"]
    assert isinstance(sets, dict)
    found = [verified_claims(token, jwks, audience=AUDIENCE) for token in sets.values()]
    assert [claims["jti"] for claims in found] == list(sets)
    return found


async def test_an_event_reaches_the_receiver_in_its_own_terms(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    event = await bench.happen()
    await bench.feed()
    (claims,) = await _claims(bench, await bench.poll(token, stream))
    assert claims["iss"] == ISSUER
    assert claims["jti"] != event.id
    assert (claims["txn"], claims["toe"]) == ("call-1", int(event.event_time.timestamp()))
    assert claims["sub_id"] == {"format": "opaque", "id": "tenants/default/devices/1"}
    told = claims["events"][CREDENTIAL_CHANGE]  # type: ignore[index]
    assert (told["change_type"], told["initiating_entity"]) == ("revoke", "admin")
    original = told["hallmark.v1"]["original"]
    assert (original["jti"], original["sha256"]) == (event.id, hashlib.sha256(event.payload).hexdigest())
    assert original["uri"] == f"{ISSUER}/ssf/originals/{event.id}"


async def test_the_original_can_be_fetched_by_its_tenant_only(bench: SsfBench, token: str) -> None:
    event = await bench.happen()
    answer = await bench.call("GET", f"/ssf/originals/{event.id}", token=token)
    assert base64.b64decode(answer.json["set"]) == event.payload
    assert base64.b64decode(answer.json["signature"]["signature"]) == b"composite"
    stranger = (await bench.receiver(tenant="another")).token
    for path, who in ((event.id, stranger), ("none", token), ("\0", token)):
        assert (await bench.call("GET", f"/ssf/originals/{path}", token=who)).status == 404


async def test_what_is_acknowledged_is_gone_and_the_rest_comes_again(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    for number in range(3):
        await bench.happen(f"devices/{number}")
    await bench.feed()
    first = await bench.poll(token, stream, maxEvents=2)
    assert (len(first["sets"]), first["moreAvailable"]) == (2, True)
    assert await bench.poll(token, stream, maxEvents=2) == first
    only_ack = await bench.poll(token, stream, maxEvents=0, ack=[next(iter(first["sets"]))])
    assert only_ack == {"sets": {}, "moreAvailable": True}
    rest = await bench.poll(token, stream, ack=["no such jti", "x" * 36])
    assert len(rest["sets"]) == 2
    assert "moreAvailable" not in rest
    assert await bench.poll(token, stream, ack=list(rest["sets"])) == {"sets": {}}
    (overview,) = await bench.receivers.list("default")
    assert overview.pending == 0
    assert overview.stream is not None
    assert overview.stream.last_delivery_time == bench.clock.now()


async def test_what_the_receiver_can_not_use_is_counted_and_gone(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    await bench.happen()
    await bench.feed()
    (jti,) = (await bench.poll(token, stream))["sets"]
    errors = {jti: {"err": "invalid_key", "description": "no\nsuch kid"}, "unknown": {"err": "invalid_request"}}
    assert await bench.poll(token, stream, setErrs=errors) == {"sets": {}}
    (overview,) = await bench.receivers.list("default")
    assert overview.stream is not None
    assert (overview.stream.refused, overview.stream.last_error) == (1, f"{jti}: invalid_key: no?such kid")


@pytest.mark.parametrize(
    "body",
    [
        {"ack": "x"},
        {"ack": [1]},
        {"ack": ["x"] * 1001},
        {"setErrs": []},
        {"setErrs": {"x": "y"}},
        {"setErrs": {"x": {}}},
        {"setErrs": {"x": {"err": 1}}},
        {"maxEvents": -1},
        {"maxEvents": True},
        {"maxEvents": 1.5},
        {"maxEvents": "1"},
        {"returnImmediately": 1},
    ],
)
async def test_polls_that_can_not_be_understood(bench: SsfBench, token: str, body: object) -> None:
    stream = await bench.stream(token)
    answer = await bench.call("POST", f"/ssf/poll/{stream}", body, token=token)
    assert (answer.status, answer.json["err"]) == (400, "invalid_request")


async def test_a_poll_waits_for_an_event(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    waiting = asyncio.create_task(bench.poll(token, stream, returnImmediately=False))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await bench.happen()
    await bench.feed()
    async with asyncio.timeout(5):
        assert len((await waiting)["sets"]) == 1


async def test_a_later_poll_ends_an_earlier_one_and_so_does_the_end_of_the_server(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    first = asyncio.create_task(bench.poll(token, stream, returnImmediately=False))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(bench.poll(token, stream, returnImmediately=False))
    async with asyncio.timeout(5):
        assert await first == {"sets": {}}
    assert not second.done()
    bench.polling.end_waits()
    async with asyncio.timeout(5):
        assert await second == {"sets": {}}


async def test_verification_goes_round_with_its_state_and_not_too_often(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token, events_requested=[])
    body = {"stream_id": stream, "state": "VGhpcyBpcw=="}
    assert (await bench.call("POST", "/ssf/verify", body, token=token)).status == 204
    (claims,) = await _claims(bench, await bench.poll(token, stream))
    assert claims["sub_id"] == {"format": "opaque", "id": stream}
    assert claims["events"] == {
        "https://schemas.openid.net/secevent/ssf/event-type/verification": {"state": "VGhpcyBpcw=="}
    }
    bench.clock.advance(59.5)
    refused = await bench.call("POST", "/ssf/verify", body, token=token)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    bench.clock.advance(0.5)
    assert (await bench.call("POST", "/ssf/verify", {"stream_id": stream}, token=token)).status == 204
    newest = (await _claims(bench, await bench.poll(token, stream)))[-1]
    assert list(newest["events"].values()) == [{}]  # type: ignore[attr-defined]


async def test_verification_of_a_stream_that_delivers_nothing(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    await bench.call("POST", "/ssf/status", {"stream_id": stream, "status": "disabled"}, token=token)
    assert (await bench.call("POST", "/ssf/verify", {"stream_id": stream}, token=token)).status == 400
    for state in (7, "x" * 1025, "\ud800"):
        text = json.dumps({"stream_id": stream, "state": state}).encode()
        assert (await bench.call("POST", "/ssf/verify", text, token=token)).status == 400


async def test_push_streams_are_not_polled(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(
        token, delivery={"method": "urn:ietf:rfc:8935", "endpoint_url": "https://mdm.example.com/"}
    )
    assert (await bench.call("POST", f"/ssf/poll/{stream}", {}, token=token)).status == 404
