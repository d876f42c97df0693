import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hallmark_client import Algorithm
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Result):
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Result):
    algorithm: Algorithm
    time: datetime
    span: timedelta
    inner: tuple[Inner, ...]
    labels: dict[str, bytes]
    nothing: None
    number: int
    ratio: float
    yes: bool


def test_everything_becomes_plain_json() -> None:
    result = Outer(
        algorithm=Algorithm.MLDSA44_ECDSA_P256_SHA256,
        time=datetime(2026, 11, 21, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))),
        span=timedelta(minutes=5, milliseconds=500),
        inner=(Inner(data=b"\xff\x00"),),
        labels={"a": b"b"},
        nothing=None,
        number=7,
        ratio=float("inf"),
        yes=True,
    )
    expected = {
        "algorithm": "id-MLDSA44-ECDSA-P256-SHA256",
        "time": "2026-11-21T12:00:00.000005Z",
        "span": 300.5,
        "inner": [{"data": "/wA="}],
        "labels": {"a": "Yg=="},
        "nothing": None,
        "number": 7,
        "ratio": None,
        "yes": True,
    }
    assert result.to_dict() == expected
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == expected
    assert type(result.to_dict()["algorithm"]) is str


def test_results_of_all_calls_are_plain_json(fake, client) -> None:
    key = client.keys.create("manifest", labels={"a": "b"}, wait="published")
    signature = client.signing.sign("manifest", b"weights")
    challenge = client.devices.create_challenge()
    attestation = client.devices.attest(challenge.name, fake.virtual_device().attest(challenge.challenge))
    event = client.revocations.revoke("manifest", "SUPERSEDED")
    results = [
        client.capabilities(),
        key,
        signature,
        client.keys.public_key("manifest"),
        client.signing.verify("manifest", signature.signature, b"weights"),
        challenge,
        attestation,
        event,
        event.verify(fake.trusted_keys),
        client.log.checkpoint(),
        client.log.inclusion_proof(leaf_index=0),
        client.log.consistency_proof(1),
        next(client.revocations.watch()),
        client.revocations.snapshot(),
    ]
    for result in results:
        json.dumps(result.to_dict(), allow_nan=False)
    assert event.to_dict()["event_time"].endswith("Z")
    assert datetime.fromisoformat(key.to_dict()["create_time"]) == key.create_time
    assert key.create_time.tzinfo is UTC


def test_results_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Inner(data=b"").data = b"x"
