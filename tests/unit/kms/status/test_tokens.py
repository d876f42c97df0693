"""Status List Tokens read by somebody who knows the specification, `cryptography` and zlib, and nothing of Hallmark."""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kms.events.model import Status
from kms.status import lists
from kms.status.tokens import token_time
from unit.kms.status.bench import BASE, TENANT, StatusBench

URI = f"{BASE}/status/{TENANT}/lists/0.jwt"


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _key(jwks: Mapping[str, Any], kid: str) -> ec.EllipticCurvePublicKey:
    (found,) = [key for key in jwks["keys"] if key["kid"] == kid]
    numbers = [int.from_bytes(_decode(found[name]), "big") for name in ("x", "y")]
    return ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1()).public_key()


def _check(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> None:
    halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))


def _status(lst: bytes, bits: int, index: int) -> int:
    """Draft 21, section 4.1: from the least significant bit of each byte."""
    raw = zlib.decompress(lst)
    return raw[index * bits // 8] >> (index * bits % 8) & ((1 << bits) - 1)


@pytest.fixture
async def published(bench: StatusBench) -> dict[int, Status]:
    """Index -> status of three subjects, once the files are out."""
    expected = {}
    for status in Status:
        subject = await bench.subject()
        await bench.set(subject, status)
        place = await bench.service.database.read(lambda tx, name=subject: lists.reference(tx, name))
        assert place is not None
        expected[place.idx] = status
    assert await bench.schedule.step() == 1
    return expected


async def test_a_jwt_is_read_by_the_specification_alone(bench: StatusBench, published: dict[int, Status]) -> None:
    folder = bench.public / "status" / TENANT
    header, payload, signature = (folder / "lists" / "0.jwt").read_text().split(".")
    head, claims = json.loads(_decode(header)), json.loads(_decode(payload))
    assert (head["typ"], head["alg"]) == ("statuslist+jwt", "ES256")
    key = _key(json.loads((folder / "jwks.json").read_bytes()), head["kid"])
    _check(key, _decode(signature), f"{header}.{payload}".encode())
    assert claims["sub"] == URI
    assert claims["exp"] - claims["iat"] == 900
    assert claims["ttl"] == 60
    assert claims["status_list"]["aggregation_uri"] == f"{BASE}/status/{TENANT}/lists.json"
    lst = _decode(claims["status_list"]["lst"])
    assert {index: Status(_status(lst, claims["status_list"]["bits"], index)) for index in published} == published


async def test_a_cwt_is_read_by_the_specification_alone(bench: StatusBench, published: dict[int, Status]) -> None:
    folder = bench.public / "status" / TENANT
    data = (folder / "lists" / "0.cwt").read_bytes()
    message = cbor2.loads(data)
    assert (data[:1], message.tag) == (b"\xd2", 18)
    protected, _unprotected, payload, signature = message.value
    head, claims = cbor2.loads(protected), cbor2.loads(payload)
    assert (head[1], head[16]) == (-7, "application/statuslist+cwt")
    key = _key(json.loads((folder / "jwks.json").read_bytes()), head[4].decode())
    _check(key, signature, cbor2.dumps(["Signature1", protected, b"", payload]))
    assert claims[2] == URI
    assert (claims[4] - claims[6], claims[65534]) == (900, 60)
    listed = claims[65533]
    assert {index: Status(_status(listed["lst"], listed["bits"], index)) for index in published} == published


async def test_a_slow_replica_does_not_bring_back_an_older_token(
    bench: StatusBench, published: dict[int, Status]
) -> None:
    assert published
    folder = bench.public / "status" / TENANT / "lists"
    now = int(bench.service.clock.now().timestamp())
    for name in ("0.jwt", "0.cwt"):
        assert token_time(name, (folder / name).read_bytes()) == now
    for junk in (b"", b"a.b.c", b"\xd2\x00", b"\xff" * 40, b"..", b"e30.e30.e30"):
        assert token_time("0.jwt", junk) == token_time("0.cwt", junk) == 0
