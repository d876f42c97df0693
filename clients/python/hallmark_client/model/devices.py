"""Devices, challenges, verdicts (RATS, RFC 9334)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hallmark_client.model.enums import ChallengePurpose, DeviceClass, DeviceState, EvidenceFormat
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys

RESULT_CONTEXT = "hallmark/attestation-result/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Result):
    """What a device sends: named parts (certificates are parts with that name, and may stand apart), or one cmw, a RATS
    conceptual message wrapper (RFC 9999, CBOR or JSON). At most 2 MiB.

    format may be None for a cmw, a certificate chain, or one part whose bytes say what they are. media_type: of the cmw
    or the single part, when it is known.
    """

    format: EvidenceFormat | None = None
    parts: tuple[tuple[str, bytes], ...] = ()
    certificates: tuple[bytes, ...] = ()
    cmw: bytes = b""
    media_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHpkeKey(Result):
    """A key to seal envelopes to a device with. kem_id: 0x647a or 0x0051. signature: by the attested key, over
    `hpke_message`; empty when it comes from the service, which has checked it.
    """

    kem_id: int
    public_key: bytes
    signature: bytes = b""


def hpke_message(challenge: bytes, kem_id: int, public_key: bytes) -> bytes:
    """What the attested key signs to register an HPKE key: ECDSA (DER) with the hash of its curve's size, RSA PKCS #1
    v1.5 with SHA-256, Ed25519, or ML-DSA.
    """
    return b"hallmark/device-hpke/v1\0" + challenge + kem_id.to_bytes(2) + public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCertificate(Result):
    """A client certificate (DER) for the attested key: mTLS, role device, for hours."""

    certificate: bytes
    spiffe_id: str
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationResult(Result):
    """A verdict as an EAT Attestation Result (draft-ietf-rats-ear-04). payload: the claims set, JSON, which both
    signatures cover: a composite one, and the ES256 one of the jwt.
    """

    payload: bytes
    signature: ServiceSignature
    jwt: str

    def verify(self, trusted_keys: TrustedKeys) -> Mapping[str, Any]:
        """The claims set, once the composite signature holds. Raises VerificationFailed or SignatureInvalid."""
        self.signature.verify(self.payload, trusted_keys, context=RESULT_CONTEXT)
        claims: Mapping[str, Any] = json.loads(self.payload)
        return claims


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmKeys(Result):
    """The keys of a TPM that a credential is to be made for. Public areas are TPMT_PUBLIC: what tpm2-tools write,
    without the first 2 bytes. The EK is named by its certificate (DER, its own first), its public area, or both.
    """

    ak_public: bytes
    ek_public: bytes = b""
    ek_certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmCredential(Result):
    """For TPM2_ActivateCredential, and then for the evidence: credential_blob (TPM2B_ID_OBJECT) is its part
    "id-object", encrypted_secret (TPM2B_ENCRYPTED_SECRET) its part "encrypted-secret".
    """

    credential_blob: bytes
    encrypted_secret: bytes

    def to_file(self) -> bytes:
        """What tpm2_activatecredential --credential-blob reads: magic, version 1, and both."""
        return bytes.fromhex("badcc0de00000001") + self.credential_blob + self.encrypted_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge(Result):
    """A fresh challenge for one attestation. challenge: 32 random bytes; good once, until expire_time, for its purpose
    and, when it names one, for evidence that attests key_spki. With a tpm_credential they are inside it, and challenge
    is empty.
    """

    name: str
    challenge: bytes
    expire_time: datetime
    purpose: ChallengePurpose
    key_spki: bytes
    tpm_credential: TpmCredential | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Result):
    """Two questions, answered apart.

    authentic: the evidence is genuine, bound and fresh. appraised: the policy likes what it says; never true unless
    authentic is. reasons: closed codes, empty when both are true. detail: a sentence. claims: plain JSON values.
    not_checked: said plainly. input_sha256: hex SHA-256 of every input. result: from `client.devices.verdict` only.
    device: whom it is about, empty when the evidence names no key that may be believed.
    """

    name: str
    authentic: bool
    appraised: bool
    reasons: tuple[str, ...]
    detail: str
    claims: Mapping[str, Any]
    not_checked: tuple[str, ...]
    input_sha256: Mapping[str, str]
    verify_time: datetime
    format: EvidenceFormat
    device: str
    result: AttestationResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Result):
    """An enrolled device. key_spki: the attested key, SubjectPublicKeyInfo in DER. attest_time: when it last gave
    evidence; assert_time: when its key last asserted a challenge; counter: of its assertions.

    Rely on it while state is ATTESTED and latest_verdict.appraised is true: a re-appraisal may have taken that back.
    """

    name: str
    state: DeviceState
    latest_verdict: Verdict
    key_spki: bytes
    create_time: datetime
    update_time: datetime
    device_class: DeviceClass
    hpke_key: DeviceHpkeKey | None
    attest_time: datetime | None
    assert_time: datetime | None
    counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation(Result):
    """The answer to evidence. A refusal is an answer too: look at verdict. device: set when the verdict is positive."""

    verdict: Verdict
    device: Device | None
    log: LogPromise
    replayed: bool
    certificate: DeviceCertificate | None
    result: AttestationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReplay(Result):
    """A verdict judged again, as of its time. differences: what came out otherwise; empty: the same."""

    recorded: Verdict
    replayed: Verdict
    differences: tuple[str, ...]
