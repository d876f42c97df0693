"""A device that nothing vouches for: its key is in software, and it says so. The lowest assurance there is.

The evidence is Hallmark's own statement (EVIDENCE_FORMAT_SOFTWARE): a COSE_Sign1 message (RFC 9052) with ES256 over EAT
claims (RFC 9711), {8: {1: COSE_Key}, 10: challenge, 259: model, 265: profile, 270: software}. It proves possession of
the key and nothing about the device; a tenant's policy has to allow it.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hallmark_client.model.devices import Challenge, Evidence, TpmKeys
from hallmark_client.model.enums import ChallengePurpose, EvidenceFormat
from hallmark_tlog.cose import Algorithm, encode_cbor, encode_sign1, signed_bytes

from .attester import DeviceKey, Proof

PROFILE: Final = "tag:hallmark,2026:software-device#1"
_CONFIRMATION, _NONCE, _MODEL, _PROFILE, _SOFTWARE = 8, 10, 259, 265, 270
_HEADERS: Final = encode_cbor({1: int(Algorithm.ES256)})
_COORDINATE_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareAttester:
    """model: of the device, 1 to 64 bytes; a policy may ask for it. software: its name, 1 to 64 characters."""

    model: str = ""
    software: str = "hallmark_client"

    @property
    def purpose(self) -> ChallengePurpose:
        return ChallengePurpose.SOFTWARE_SEALED

    def key(self) -> DeviceKey | None:
        return None

    def tpm_keys(self) -> TpmKeys | None:
        return None

    def prove(self, challenge: Challenge, key: DeviceKey) -> Proof:
        claims = {_CONFIRMATION: {1: _cose_key(key.spki)}, _NONCE: challenge.challenge, _PROFILE: PROFILE}
        if self.model:
            claims[_MODEL] = self.model.encode()
        if self.software:
            claims[_SOFTWARE] = self.software
        payload = encode_cbor(claims)
        statement = encode_sign1(_HEADERS, {}, payload, _raw(key.sign(signed_bytes(_HEADERS, payload))))
        evidence = Evidence(format=EvidenceFormat.SOFTWARE, parts=(("statement", statement),))
        return Proof(evidence=evidence, challenge=challenge.challenge)


def _cose_key(spki: bytes) -> dict[int, object]:
    """RFC 9053, section 7.1.1."""
    public = load_der_public_key(spki)
    assert isinstance(public, ec.EllipticCurvePublicKey), "device keys are EC P-256"
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    x, y = point[:_COORDINATE_BYTES], point[_COORDINATE_BYTES:]
    return {1: 2, 3: int(Algorithm.ES256), -1: 1, -2: x, -3: y}


def _raw(signature: bytes) -> bytes:
    """R || s (RFC 9053, section 2.1)."""
    r, s = decode_dss_signature(signature)
    return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)
