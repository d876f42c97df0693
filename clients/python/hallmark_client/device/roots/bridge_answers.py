"""What the answers of a bridge say, read strictly. Every reader raises BridgeInvalid."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hallmark_client.device.model import Enforcement
from hallmark_client.model.devices import Evidence
from hallmark_client.model.enums import EvidenceFormat
from hallmark_client.model.result import Result
from hallmark_events.canonical import Json, canonical_json, encode_base64, parse_hex

from .bridge_frames import BLOB_MAX, FRAME_MAX, BridgeInvalid, Fields
from .port import EpochEvidence, RootPower
from .sealed import SECRET_MAX

CLAIM_DOMAIN: Final = b"hallmark/bridge-claim/v1\0"
"""`sign` refuses messages that begin so: only `facts` signs a claim."""
CLAIM_NONCE_SIZE: Final = 32
ROOT_SIZE: Final = 16
SPKI_MAX: Final = 1024
SIGNATURE_MAX: Final = 128
_CLAIM: Final = ("assurance", "caveats", "detail", "evidence", "key", "powers", "root")
_CAVEATS_MAX: Final = 16
_PARTS_MAX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeClaim(Result):
    """What a bridge says of itself. root: 32 hex digits, another one when its keys were cleared. key: the key it
    attests (EC P-256, SubjectPublicKeyInfo in DER), empty where it has none. evidence: the format that `attest` gives.
    """

    root: str
    assurance: Enforcement
    powers: Mapping[RootPower, Enforcement]
    detail: str
    caveats: tuple[str, ...]
    key: bytes
    evidence: EvidenceFormat


def claim_of(value: object) -> tuple[BridgeClaim, bytes]:
    """The claim, and the signature over it: empty where the bridge has no key."""
    outer = Fields(value, "claim", "signature")
    fields = Fields(outer.members("claim", at_most=8), *_CLAIM)
    caveats = fields.many("caveats", at_most=_CAVEATS_MAX)
    powers = fields.members("powers", at_most=len(RootPower))
    claim = BridgeClaim(
        root=parse_hex(fields.text("root"), ROOT_SIZE, what="root", refuse=BridgeInvalid).hex(),
        assurance=_enforcement(fields.text("assurance")),
        powers=MappingProxyType({_power(name): _enforcement(by) for name, by in powers.items()}),
        detail=fields.text("detail"),
        caveats=tuple(Fields({"caveat": caveat}, "caveat").text("caveat") for caveat in caveats),
        key=fields.data("key", at_least=0, at_most=SPKI_MAX),
        evidence=_format(fields.text("evidence")),
    )
    return claim, outer.data("signature", at_least=0, at_most=SIGNATURE_MAX)


def claim_message(claim: BridgeClaim, nonce: bytes) -> bytes:
    """What a bridge signs to stand by its claim: a domain, the 32 bytes of the nonce, the claim as it travels."""
    return CLAIM_DOMAIN + nonce + canonical_json(claim_fields(claim))


def claim_fields(claim: BridgeClaim) -> dict[str, Json]:
    return {
        "assurance": claim.assurance.value,
        "caveats": claim.caveats,
        "detail": claim.detail,
        "evidence": claim.evidence.value,
        "key": encode_base64(claim.key),
        "powers": {power.value: by.value for power, by in claim.powers.items()},
        "root": claim.root,
    }


def epoch_of(value: object) -> int:
    return Fields(value, "epoch").number("epoch", at_least=1)


def blob_of(value: object) -> bytes:
    return Fields(value, "blob").data("blob", at_least=1, at_most=BLOB_MAX)


def secret_of(value: object) -> bytearray:
    return bytearray(Fields(value, "secret").data("secret", at_least=1, at_most=SECRET_MAX))


def signature_of(value: object) -> bytes:
    return Fields(value, "signature").data("signature", at_least=1, at_most=SIGNATURE_MAX)


def epoch_evidence_of(value: object) -> EpochEvidence:
    fields = Fields(value, "epoch", "parts")
    parts = _parts(fields)
    if len(dict(parts)) != len(parts) or not parts:
        raise BridgeInvalid("evidence has no parts, or two of one name")
    return EpochEvidence(epoch=fields.number("epoch", at_least=1), parts=MappingProxyType(dict(parts)))


def evidence_of(value: object) -> Evidence:
    """What `attest` gives: for the service's AttestDevice, as it is."""
    fields = Fields(value, "certificates", "format", "parts")
    found = fields.many("certificates", at_most=_PARTS_MAX)
    certificates = [Fields({"certificate": one}, "certificate") for one in found]
    return Evidence(
        format=_format(fields.text("format")),
        parts=_parts(fields),
        certificates=tuple(one.data("certificate", at_least=1, at_most=FRAME_MAX) for one in certificates),
    )


def _parts(fields: Fields) -> tuple[tuple[str, bytes], ...]:
    found = [Fields(part, "name", "value") for part in fields.many("parts", at_most=_PARTS_MAX)]
    return tuple((part.text("name"), part.data("value", at_least=1, at_most=FRAME_MAX)) for part in found)


def _enforcement(value: Any) -> Enforcement:
    if value not in set(Enforcement):
        raise BridgeInvalid("an enforcement is hardware, server, platform or advisory")
    return Enforcement(value)


def _power(name: str) -> RootPower:
    if name not in set(RootPower):
        raise BridgeInvalid("no such power")
    return RootPower(name)


def _format(name: str) -> EvidenceFormat:
    if name not in set(EvidenceFormat) or name == EvidenceFormat.UNKNOWN:
        raise BridgeInvalid("no such format of evidence")
    return EvidenceFormat(name)
