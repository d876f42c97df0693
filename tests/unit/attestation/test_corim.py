"""CoRIM: keys and reference values out of files made here, and files that are none."""

from datetime import UTC, datetime

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.arm_collateral import ArmDevice
from attestation.corim import parse_corim
from attestation.errors import CollateralError
from attestation.policy_arm import RealmReference, SoftwareReference
from attestation.testing.certificates import spki_of
from attestation.testing.cose import sign1

KEY = ec.generate_private_key(ec.SECP256R1())
INSTANCE, IMPLEMENTATION, DIGEST, SIGNER = b"\x01" * 33, b"\x02" * 32, b"\x03" * 32, b"\x04" * 32
CLASS = {0: cbor2.CBORTag(600, IMPLEMENTATION), 1: "ACME"}


def pem() -> str:
    return KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def cose_key() -> dict[int, object]:
    numbers = KEY.public_key().public_numbers()
    return {1: 2, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}


def corim(triples: dict[int, object] | None = None, **fields: object) -> bytes:
    module = {1: {0: "module"}, 4: triples or {3: [key_triple()]}}
    content = {0: "corim", 1: [cbor2.CBORTag(506, cbor2.dumps(module))], 4: {1: cbor2.CBORTag(1, 1_800_000_000)}}
    return cbor2.dumps(cbor2.CBORTag(501, content | {int(name[1:]): value for name, value in fields.items()}))


def key_triple(key: object = None) -> list[object]:
    return [{0: CLASS, 1: cbor2.CBORTag(550, INSTANCE)}, [key or cbor2.CBORTag(554, pem())]]


def test_keys():
    found = parse_corim(corim())
    assert found.devices == (ArmDevice(INSTANCE, (spki_of(KEY),), IMPLEMENTATION),)
    assert found.endorsements.find(INSTANCE) == found.devices[0]
    assert found.not_after == datetime.fromtimestamp(1_800_000_000, UTC)
    assert parse_corim(corim({3: [key_triple(cbor2.CBORTag(558, cose_key()))]})).devices == found.devices
    bare = "".join(pem().splitlines()[1:-1])
    assert parse_corim(corim({3: [key_triple(cbor2.CBORTag(554, bare))]})).devices == found.devices


def test_reference_values():
    name = cbor2.CBORTag(601, {1: "BL", 4: "1.0", 5: SIGNER})
    software = [{0: CLASS}, [{0: name, 1: {2: [[1, DIGEST]]}}, {0: cbor2.CBORTag(602, "cfg"), 1: {4: b"x"}}]]
    registers = {"rim": [[1, DIGEST]], "rem1": [[1, SIGNER]]}
    realm = [{1: cbor2.CBORTag(560, DIGEST)}, [{1: {4: cbor2.CBORTag(560, bytes(64)), 14: registers}}]]
    found = parse_corim(corim({0: [software, realm]}))
    assert found.software == (SoftwareReference(DIGEST, "BL", "1.0", SIGNER, IMPLEMENTATION),)
    assert found.realms == (RealmReference(DIGEST, ((1, SIGNER),), bytes(64)),)
    assert found.devices == ()


def test_signed_files_need_the_key_of_their_signer():
    signer, content = ec.generate_private_key(ec.SECP256R1()), corim()
    signed = sign1(signer, content, protected={1: -7, 3: "application/rim+cbor"})
    assert parse_corim(signed, signer_spki=spki_of(signer)) == parse_corim(content)
    with pytest.raises(CollateralError, match="signed"):
        parse_corim(signed)
    with pytest.raises(CollateralError, match="verify"):
        parse_corim(signed, signer_spki=spki_of(KEY))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "CBOR"),
        (b"\xa0", "501"),
        (corim() + b"\0", "follow"),
        (corim(_1=[]), "1 to 64"),
        (corim(_1="tags"), "1 to 64"),
        (corim(_4={1: "never"}), "validity"),
        (corim({3: "keys"}), "list"),
        (corim({3: [[1]]}), "cut short"),
        (corim({3: [[1, 2]]}), "environment"),
        (corim({3: [[{}, [cbor2.CBORTag(554, pem())]]]}), "550"),
        (corim({3: [key_triple(cbor2.CBORTag(554, "none"))]}), "key"),
        (corim({3: [key_triple(cbor2.CBORTag(557, "x"))]}), "554"),
        (corim({3: [key_triple(), key_triple()]}), "twice"),
        (corim({3: [[{1: cbor2.CBORTag(550, b"short")}, [cbor2.CBORTag(554, pem())]]]}), "instance id"),
        (corim({0: [[{}, [{0: cbor2.CBORTag(601, {}), 1: {2: [[1, b"x"]]}}]]]}), "digest"),
        (bytes(1024 * 1024 + 1), "at most"),
    ],
)
def test_what_is_none(data: bytes, words: str):
    with pytest.raises(CollateralError, match=words):
        parse_corim(data)


def test_tags_of_other_kinds_are_passed_over():
    module = cbor2.CBORTag(506, cbor2.dumps({4: {3: [key_triple()]}}))
    assert parse_corim(corim(_1=[cbor2.CBORTag(505, b"CoSWID"), module])).devices[0].instance_id == INSTANCE
