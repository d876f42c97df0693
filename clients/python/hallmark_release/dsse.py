"""DSSE (secure-systems-lab/dsse, protocol v1): what a signature covers, and the envelope of one signature as JSON."""

from dataclasses import dataclass
from typing import Any, Final

from hallmark_events.canonical import encode_base64, parse_base64
from hallmark_release.errors import FormatInvalid
from hallmark_release.names import checked_list, checked_object

IN_TOTO: Final = "application/vnd.in-toto+json"
SIGNATURE_BYTES_MAX: Final = 8192


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload of type IN_TOTO and exactly one signature over its PAE (the sigstore bundle format asks for one)."""

    payload: bytes
    signature: bytes

    def to_dict(self) -> dict[str, Any]:
        return {
            "payload": encode_base64(self.payload),
            "payloadType": IN_TOTO,
            "signatures": [{"keyid": "", "sig": encode_base64(self.signature)}],
        }


def pae(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    """Pre-authentication encoding: "DSSEv1" SP len(type) SP type SP len(payload) SP payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_envelope(value: object) -> Envelope:
    """Raises FormatInvalid."""
    envelope = checked_object(value, frozenset({"payload", "payloadType", "signatures"}), "a DSSE envelope")
    if envelope["payloadType"] != IN_TOTO:
        raise FormatInvalid(f"the payload of the envelope is not {IN_TOTO}")
    (only,) = checked_list(envelope["signatures"], "the signatures of an envelope", least=1, most=1)
    signed = checked_object(only, frozenset({"keyid", "sig"}), "a signature")
    if signed["keyid"] != "":
        raise FormatInvalid("the key id of a signature is empty: the bundle's hint names the key")
    signature = parse_base64(signed["sig"], what="a signature", refuse=FormatInvalid)
    if not 1 <= len(signature) <= SIGNATURE_BYTES_MAX:
        raise FormatInvalid(f"a signature has 1 to {SIGNATURE_BYTES_MAX} bytes")
    return Envelope(parse_base64(envelope["payload"], what="a payload", refuse=FormatInvalid), signature)
