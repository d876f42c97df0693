"""CoRIM (draft-ietf-rats-corim): the part that endorses Arm devices, read from what their makers publish.

Read are the unsigned form (tag 501) and the signed one (COSE_Sign1, with the caller's key); in it concise module
identifiers (tag 506) with reference values (triple 0: software components, realms) and keys (triple 3: instance ids
with keys in PEM or as COSE_Key), as draft-fdb-rats-psa-endorsements and draft-ydb-rats-cca-endorsements use them. What
else a CoRIM holds is passed over, so it must not be read as a restriction.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from attestation import cbor
from attestation.arm_collateral import ArmDevice, ArmEndorsements
from attestation.cbor import CborValue, Tagged
from attestation.cose_key import parse_cose_key
from attestation.cose_sign1 import CoseAlgorithm, parse_cose_sign1
from attestation.errors import CollateralError, EvidenceError
from attestation.policy_arm import RealmReference, SoftwareReference

MAX_CORIM_BYTES: Final = 1024 * 1024
MAX_TAGS: Final = 64

_UNSIGNED, _COMID = 501, 506
_BYTES, _UEID, _PKIX_KEY, _COSE_KEY, _IMPLEMENTATION, _SOFTWARE = 560, 550, 554, 558, 600, 601
_SIGN1: Final = (0xD2, 0x84)  # COSE_Sign1 with its tag, or the bare array of four
_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Corim:
    """What was found: devices with keys, reference values for software and realms, and the last time they hold."""

    devices: tuple[ArmDevice, ...]
    software: tuple[SoftwareReference, ...]
    realms: tuple[RealmReference, ...]
    not_after: datetime

    @property
    def endorsements(self) -> ArmEndorsements:
        return ArmEndorsements.of(self.devices)


def parse_corim(data: bytes, *, signer_spki: bytes | None = None) -> Corim:
    """Read one file of at most 1 MiB. A signed one is verified with `signer_spki` (DER), and refused without it; an
    unsigned one is as trustworthy as the way it came. CollateralError says what is wrong.
    """
    if len(data) > MAX_CORIM_BYTES:
        raise CollateralError(f"CoRIM of {len(data)} bytes, at most {MAX_CORIM_BYTES}")
    try:
        return _parse(_open(data, signer_spki))
    except EvidenceError as error:
        raise CollateralError(f"CoRIM: {error.detail}") from error


def _open(data: bytes, signer_spki: bytes | None) -> bytes:
    if not data or data[0] not in _SIGN1:
        return data
    if signer_spki is None:
        raise CollateralError("CoRIM is signed: give the key of its signer")
    message = parse_cose_sign1(data)
    message.verify(signer_spki, algorithms=frozenset(CoseAlgorithm))
    return message.payload


def _parse(data: bytes) -> Corim:
    corim = _tagged(cbor.decode(data), _UNSIGNED)
    fields = corim if isinstance(corim, dict) else {}
    tags = fields.get(1)
    if not isinstance(tags, tuple) or not 1 <= len(tags) <= MAX_TAGS:
        raise EvidenceError(f"not a map with 1 to {MAX_TAGS} tags")
    devices: dict[bytes, ArmDevice] = {}
    software: list[SoftwareReference] = []
    realms: list[RealmReference] = []
    for triples in filter(None, map(_triples, tags)):
        for environment, content in _pairs(triples.get(3)):
            device = _device(environment, content)
            if device.instance_id in devices:
                raise EvidenceError("an instance is endorsed twice")
            devices[device.instance_id] = device
        for environment, content in _pairs(triples.get(0)):
            software += _software(environment, content)
            realms += _realm(content)
    found = Corim(tuple(devices.values()), tuple(software), tuple(realms), _not_after(fields.get(4)))
    ArmEndorsements.of(found.devices)
    return found


def _tagged(value: CborValue, tag: int) -> CborValue:
    if not isinstance(value, Tagged) or value.tag != tag:
        raise EvidenceError(f"CBOR tag {tag} is missing")
    return value.value


def _triples(tag: CborValue) -> dict[cbor.CborKey, CborValue] | None:
    """The triples of a module identifier; tags of other kinds (CoSWID) give None."""
    if not isinstance(tag, Tagged) or tag.tag != _COMID:
        return None
    module = cbor.decode(tag.value) if isinstance(tag.value, bytes) else tag.value
    triples = module.get(4) if isinstance(module, dict) else None
    if not isinstance(triples, dict):
        raise EvidenceError("module identifier has no triples")
    return triples


Environment = dict[cbor.CborKey, CborValue]


def _pairs(triples: CborValue) -> Iterator[tuple[Environment, tuple[CborValue, ...]]]:
    """Environment and list of each triple of one kind."""
    if triples is None:
        return
    if not isinstance(triples, tuple):
        raise EvidenceError("triples are not a list")
    for triple in triples:
        if not isinstance(triple, tuple) or len(triple) < 2:
            raise EvidenceError("triple is cut short")
        environment, content = triple[0], triple[1]
        if not isinstance(environment, dict):
            raise EvidenceError("environment is not a map")
        yield environment, content if isinstance(content, tuple) else (content,)


def _implementation(environment: Environment) -> bytes | None:
    described = environment.get(0)
    identifier = described.get(0) if isinstance(described, dict) else None
    if isinstance(identifier, Tagged) and identifier.tag in (_IMPLEMENTATION, _BYTES):
        value = identifier.value
        return value if isinstance(value, bytes) and len(value) == 32 else None
    return None


def _device(environment: Environment, content: tuple[CborValue, ...]) -> ArmDevice:
    instance = _tagged(environment.get(1), _UEID)
    if not isinstance(instance, bytes):
        raise EvidenceError("instance id is not a byte string")
    return ArmDevice(instance, tuple(map(_key, content)), _implementation(environment))


def _key(value: CborValue) -> bytes:
    if isinstance(value, Tagged) and value.tag == _COSE_KEY:
        inner = cbor.decode(value.value) if isinstance(value.value, bytes) else value.value
        return parse_cose_key(inner).spki
    text = _tagged(value, _PKIX_KEY)
    if not isinstance(text, str):
        raise EvidenceError("key is not a text")
    pem = text if "-----BEGIN" in text else f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"
    try:
        return load_pem_public_key(pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # cryptography raises several kinds for foreign bytes
        raise EvidenceError("key is not a public key in PEM") from error


def _software(environment: Environment, content: tuple[CborValue, ...]) -> Iterator[SoftwareReference]:
    """Measurements named by a software component (tag 601: type, version, signer)."""
    for item in content:
        if not isinstance(item, dict) or not isinstance(item.get(0), Tagged):
            continue
        name = item[0]
        values = item.get(1)
        if not isinstance(name, Tagged) or name.tag != _SOFTWARE or not isinstance(values, dict):
            continue
        labels = name.value if isinstance(name.value, dict) else {}
        kind, version, signer = labels.get(1), labels.get(4), labels.get(5)
        for digest in _digests(values.get(2)):
            yield SoftwareReference(
                digest,
                kind if isinstance(kind, str) else None,
                version if isinstance(version, str) else None,
                signer if isinstance(signer, bytes) else None,
                _implementation(environment),
            )


def _realm(content: tuple[CborValue, ...]) -> Iterator[RealmReference]:
    """Integrity registers (key 14) named rim and rem0 to rem3, and the personalization as a raw value (key 4)."""
    for item in content:
        values = item.get(1) if isinstance(item, dict) else None
        registers = values.get(14) if isinstance(values, dict) else None
        if not isinstance(values, dict) or not isinstance(registers, dict) or "rim" not in registers:
            continue
        raw = values.get(4)
        value = raw.value if isinstance(raw, Tagged) and raw.tag == _BYTES else None
        extensible = ((index, _digests(registers.get(f"rem{index}"))) for index in range(4))
        for initial in _digests(registers["rim"]):
            yield RealmReference(
                initial,
                tuple((index, found[0]) for index, found in extensible if found),
                value if isinstance(value, bytes) else None,
            )


def _digests(value: CborValue) -> list[bytes]:
    """The values of a list of [algorithm, digest]."""
    if value is None:
        return []
    if not isinstance(value, tuple):
        raise EvidenceError("digests are not a list")
    found = [item[1] for item in value if isinstance(item, tuple) and len(item) == 2]
    digests = [item for item in found if isinstance(item, bytes) and len(item) in (32, 48, 64)]
    if len(digests) != len(value):
        raise EvidenceError("digest is not an algorithm and 32, 48 or 64 bytes")
    return digests


def _not_after(validity: CborValue) -> datetime:
    """The end of the validity (key 1, a time of tag 1 in seconds); for ever where there is none."""
    if validity is None:
        return _NEVER
    end = validity.get(1) if isinstance(validity, dict) else None
    seconds = end.value if isinstance(end, Tagged) and end.tag == 1 else None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds < 253402300800:
        raise EvidenceError("validity does not end at a time")
    return datetime.fromtimestamp(seconds, UTC)
