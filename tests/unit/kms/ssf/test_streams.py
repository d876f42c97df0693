"""Configuration and status endpoints (SSF 1.0, section 8.1): status codes, headers, bodies."""

import json

import pytest

from unit.kms.ssf.bench import AUDIENCE, CREDENTIAL_CHANGE, ISSUER, POLL, PUSH, SsfBench

STREAM, STATUS = "/ssf/stream", "/ssf/status"


async def test_discovery_is_public(bench: SsfBench) -> None:
    answer = await bench.call("GET", "/.well-known/ssf-configuration")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json
    assert (found["spec_version"], found["issuer"], found["default_subjects"]) == ("1_0", ISSUER, "ALL")
    assert found["jwks_uri"] == f"{ISSUER}/jwks.json"
    assert found["delivery_methods_supported"] == [PUSH, POLL]
    assert found["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6750"}]
    assert {found[f"{name}_endpoint"] for name in ("configuration", "status", "verification")} == {
        f"{ISSUER}/ssf/{name}" for name in ("stream", "status", "verify")
    }
    (key,) = (await bench.call("GET", "/jwks.json")).json["keys"]
    assert key["kid"] == "tenants/system/keys/ssf-events-es256/versions/1"
    assert (await bench.call("POST", "/jwks.json")).status == 405


async def test_a_stream_is_created_read_changed_and_deleted(bench: SsfBench, token: str) -> None:
    unknown = "urn:example:unknown"
    created = await bench.call("POST", STREAM, {"events_requested": [CREDENTIAL_CHANGE, unknown]}, token=token)
    assert (created.status, created.headers["cache-control"]) == (201, "no-store")
    stream = created.json
    assert (stream["iss"], stream["aud"]) == (ISSUER, AUDIENCE)
    assert stream["delivery"] == {"method": POLL, "endpoint_url": f"{ISSUER}/ssf/poll/{stream['stream_id']}"}
    assert (stream["events_requested"], stream["events_delivered"]) == (
        [CREDENTIAL_CHANGE, unknown],
        [CREDENTIAL_CHANGE],
    )
    assert (stream["min_verification_interval"], stream["inactivity_timeout"]) == (60, 604800)
    query = f"{STREAM}?stream_id={stream['stream_id']}"
    assert (await bench.call("GET", query, token=token)).json == stream
    assert (await bench.call("GET", STREAM, token=token)).json == [stream]

    patch = {"stream_id": stream["stream_id"], "description": "ours", "aud": [AUDIENCE]}
    changed = await bench.call("PATCH", STREAM, patch, token=token)
    assert (changed.status, changed.json) == (200, {**stream, "description": "ours"})
    replaced = await bench.call("PUT", STREAM, {"stream_id": stream["stream_id"]}, token=token)
    assert (replaced.json["events_requested"], "description" in replaced.json) == ([], False)

    gone = await bench.call("DELETE", query, token=token)
    assert (gone.status, gone.content) == (204, b"")
    assert (await bench.call("GET", query, token=token)).status == 404
    assert (await bench.call("DELETE", query, token=token)).status == 404
    assert (await bench.call("GET", STREAM, token=token)).json == []


async def test_one_stream_for_each_receiver(bench: SsfBench, token: str) -> None:
    assert (await bench.call("POST", STREAM, token=token)).status == 201
    assert (await bench.call("POST", STREAM, token=token)).status == 409


async def test_push_keeps_its_authorization_to_itself(bench: SsfBench, token: str) -> None:
    delivery = {"method": PUSH, "endpoint_url": "https://93.184.216.34/events", "authorization_header": "Bearer x"}
    created = await bench.call("POST", STREAM, {"delivery": delivery}, token=token)
    assert created.json["delivery"] == {"method": PUSH, "endpoint_url": delivery["endpoint_url"]}
    assert b"Bearer x" not in created.content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"stream_id": "x", "stream_id": "y"}',
        b'{"description": NaN}',
        b"\xff",
        b"[" * 100_000,
        json.dumps({"description": 7}).encode(),
        json.dumps({"description": "x" * 513}).encode(),
        json.dumps({"events_requested": "x"}).encode(),
        json.dumps({"events_requested": [""]}).encode(),
        json.dumps({"delivery": []}).encode(),
        json.dumps({"delivery": {"method": "push"}}).encode(),
        json.dumps({"delivery": {"method": PUSH}}).encode(),
        json.dumps({"delivery": {"method": PUSH, "endpoint_url": "http://example.com/"}}).encode(),
        json.dumps({"delivery": {"method": PUSH, "endpoint_url": "https://10.0.0.1/"}}).encode(),
        json.dumps({"delivery": {"method": PUSH, "endpoint_url": "https://[::ffff:10.0.0.1]/"}}).encode(),
        json.dumps({"delivery": {"method": PUSH, "endpoint_url": "https://u:p@example.com/"}}).encode(),
        json.dumps(
            {"delivery": {"method": PUSH, "endpoint_url": "https://e.com/", "authorization_header": "a\r\nb: c"}}
        ).encode(),
    ],
)
async def test_what_is_no_configuration(bench: SsfBench, token: str, body: bytes) -> None:
    stream = (await bench.call("POST", STREAM, token=token)).json["stream_id"]
    for method in ("PATCH", "PUT"):
        text = body.replace(b"{", b'{"stream_id":"%b",' % stream.encode(), 1) if b'"stream_id"' not in body else body
        answer = await bench.call(method, STREAM, text, token=token)
        assert answer.status == 400, answer.content
        assert set(answer.json) == {"err", "description"}


async def test_what_the_transmitter_supplies_can_not_be_changed(bench: SsfBench, token: str) -> None:
    stream = (await bench.call("POST", STREAM, token=token)).json
    for name, value in {
        "iss": "https://other.example",
        "aud": "https://other.example",
        "events_supported": [],
        "events_delivered": [CREDENTIAL_CHANGE],
        "min_verification_interval": 1,
        "inactivity_timeout": 1,
    }.items():
        body = {"stream_id": stream["stream_id"], name: value}
        assert (await bench.call("PATCH", STREAM, body, token=token)).status == 400, name


async def test_without_a_token_everything_is_401_and_other_streams_are_404(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    other = (await bench.receiver("other")).token
    stranger = (await bench.receiver("mdm", tenant="another")).token
    about = {"stream_id": stream}
    calls: list[tuple[str, str, object]] = [
        ("GET", f"{STREAM}?stream_id={stream}", None),
        ("DELETE", f"{STREAM}?stream_id={stream}", None),
        ("PATCH", STREAM, about),
        ("PUT", STREAM, about),
        ("GET", f"{STATUS}?stream_id={stream}", None),
        ("POST", STATUS, {**about, "status": "paused"}),
        ("POST", "/ssf/subjects:add", {**about, "subject": {"format": "opaque", "id": "x"}}),
        ("POST", "/ssf/subjects:remove", {**about, "subject": {"format": "opaque", "id": "x"}}),
        ("POST", "/ssf/verify", about),
        ("POST", f"/ssf/poll/{stream}", {}),
    ]
    for method, path, body in calls:
        answers = [await bench.call(method, path, body, token=wrong) for wrong in (None, "", "no", token + "x", "é")]
        answers.append(await bench.call(method, path, body, headers=((b"authorization", b"Basic " + token.encode()),)))
        assert {answer.status for answer in answers} == {401}, path
        assert len({answer.content for answer in answers}) == 1
        assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
        for receiver in (other, stranger):
            refused = await bench.call(method, path, body, token=receiver)
            assert (refused.status, refused.json["description"]) == (404, "there is no such stream"), path
    assert (await bench.call("GET", f"{STATUS}?stream_id={stream}", token=token)).json["status"] == "enabled"


async def test_paths_and_methods_that_are_not_there(bench: SsfBench, token: str) -> None:
    assert (await bench.call("GET", "/ssf/nothing", token=token)).status == 404
    wrong = await bench.call("DELETE", STATUS, token=token)
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, POST")
    assert (await bench.call("GET", f"{STATUS}?stream_id=a&stream_id=b", token=token)).status == 400
    assert (await bench.call("DELETE", STREAM, token=token)).status == 400
    large = await bench.call("POST", STREAM, b" " * 200_000, token=token)
    assert (large.status, large.headers["connection"]) == (413, "close")


async def test_the_status_is_the_receivers_to_set(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    body = {"stream_id": stream, "status": "paused", "reason": "maintenance"}
    assert (await bench.call("POST", STATUS, body, token=token)).json == body
    assert (await bench.call("GET", f"{STATUS}?stream_id={stream}", token=token)).json == body
    for wrong in ({"status": "off"}, {"status": 1}, {}):
        assert (await bench.call("POST", STATUS, {"stream_id": stream, **wrong}, token=token)).status == 400


async def test_the_database_is_away(bench: SsfBench, token: str) -> None:
    bench.database.close()
    answer = await bench.call("GET", STREAM, token=token)
    assert answer.status in {500, 503}
    assert set(answer.json) == {"err", "description"}
