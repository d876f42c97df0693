"""What goes into a verdict and what comes out (RATS, RFC 9334): evidence, expectation, anchors, collateral; verdict.

Everything is frozen and compares by value, so the same inputs give an equal verdict, today and in ten years.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final, Self

from attestation.amd_collateral import AmdCollateral
from attestation.arm_collateral import ArmEndorsements
from attestation.claims import Claims
from attestation.errors import ArgumentError
from attestation.fido_metadata import FidoMetadata
from attestation.intel_collateral import IntelCollateral
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.reasons import Reason, Unchecked, authenticity
from attestation.status import StatusList
from attestation.tpm_collateral import TpmCollateral

CERTIFICATE: Final = "certificate"  # name of the parts that are DER certificates
# KeyMint holds 128 bytes (Tag::ATTESTATION_CHALLENGE), browsers and Apple's App Attest set no bound.
MAX_CHALLENGE_BYTES: Final = 1024


class Format(StrEnum):
    """Kinds of evidence. Each has one file in attestation/formats and one row in attestation.verify.FORMATS."""

    ANDROID_KEY = "android-key"
    APPLE_APP_ATTEST = "apple-app-attest"
    APPLE_APP_ASSERTION = "apple-app-assertion"
    WEBAUTHN = "webauthn"
    INTEL_SGX = "intel-sgx"
    INTEL_TDX = "intel-tdx"
    AMD_SEV_SNP = "amd-sev-snp"
    AWS_NITRO = "aws-nitro"
    TPM = "tpm"
    AZURE_VTPM = "azure-vtpm"
    ARM_PSA = "arm-psa"
    ARM_CCA = "arm-cca"
    NVIDIA_GPU = "nvidia-gpu"
    SOFTWARE = "hallmark-software"


# Evidence made of other formats' evidence, whose anchors count for it too.
COMPOSED: Final = {Format.AZURE_VTPM: (Format.AMD_SEV_SNP, Format.INTEL_TDX)}


@dataclass(frozen=True, slots=True)
class Part:
    """One named piece of evidence: a certificate, a quote, an event log."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an attester sent, sorted into named parts and nothing more. Bounds are checked by `verify`."""

    format: Format
    parts: tuple[Part, ...]

    @classmethod
    def android(cls, chain: Iterable[bytes]) -> Self:
        """An Android Key Attestation: DER certificates, leaf first, root last."""
        return cls(Format.ANDROID_KEY, tuple(Part(CERTIFICATE, bytes(der)) for der in chain))

    def named(self, name: str) -> tuple[bytes, ...]:
        return tuple(part.data for part in self.parts if part.name == name)

    @property
    def size(self) -> int:
        """Bytes in all parts together."""
        return sum(len(part.data) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller knows beforehand: the challenge it gave (1 to 1024 bytes) and, where it enrols a key, that key as
    DER SubjectPublicKeyInfo. Without a key the verdict says that the binding was not checked.

    `last_counter` is the signature counter that was stored with this key when it was last accepted (Apple App Attest:
    0 after enrolment). Evidence with a counter must show a greater one; without it that is not checked.
    """

    challenge: bytes
    key_spki: bytes | None = None
    last_counter: int | None = None

    def __post_init__(self) -> None:
        # An empty challenge would be met by any evidence ever made with an empty one.
        if not 1 <= len(self.challenge) <= MAX_CHALLENGE_BYTES:
            raise ArgumentError(f"challenge of {len(self.challenge)} bytes, 1 to {MAX_CHALLENGE_BYTES} are possible")
        # A key of no bytes would be met by evidence that names no key.
        if self.key_spki is not None and not self.key_spki:
            raise ArgumentError("key to enrol of no bytes; None is for evidence that needs to name none")

    def challenge_matches(self, found: bytes) -> bool:
        return hmac.compare_digest(self.challenge, found)


METADATA: Final = "metadata"
RECEIPT: Final = "receipt"
NOT_EVIDENCE: Final = frozenset({METADATA, RECEIPT})  # chains beside the evidence; their anchors must say so


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """A vendor's key that chains may end in. `spki` is the DER SubjectPublicKeyInfo; certificates are not kept, because
    vendors re-issue them around the same key. A period is given only where the vendor announced one.

    `uses` narrows a format that has several kinds of chains: names of WebAuthn statement formats ("packed", "tpm"),
    "metadata" for the signer of FIDO metadata, "receipt" for the signer of Apple's receipts. An anchor without uses
    counts for every chain of evidence, and for neither metadata nor receipts.

    `common_name` is the name the key issues under. It is needed where evidence ends below the anchor's certificate, as
    AMD's does: there the anchor is found by the name of the issuer, and believed by its signature.

    `is_root`: its certificate signed itself, so a certificate of this key that somebody else is said to have issued is
    not the vendor's. Issuing CAs are anchors, too, and there nobody can check the signature of a last certificate.
    """

    name: str
    formats: frozenset[Format]
    spki: bytes = field(repr=False)
    source: str
    not_before: datetime | None = None
    not_after: datetime | None = None
    uses: frozenset[str] = frozenset()
    common_name: str | None = None
    is_root: bool = False

    @property
    def spki_sha256(self) -> str:
        return sha256(self.spki).hexdigest()


@dataclass(frozen=True, slots=True)
class Anchors:
    """The keys a caller trusts, each only for the formats it names."""

    items: tuple[TrustAnchor, ...]

    def for_format(self, wanted: Format) -> tuple[TrustAnchor, ...]:
        return tuple(anchor for anchor in self.items if wanted in anchor.formats)

    def for_use(self, wanted: Format, use: str) -> tuple[TrustAnchor, ...]:
        """The anchors of a format for one of its kinds of chains."""
        found = self.for_format(wanted)
        return tuple(anchor for anchor in found if use in anchor.uses or not (anchor.uses or use in NOT_EVIDENCE))


@dataclass(frozen=True, slots=True)
class Collateral:
    """Vendor data beside the evidence, fetched by someone else and passed in with the time it was fetched."""

    android_status: StatusList | None = None
    amd: AmdCollateral | None = None
    intel: IntelCollateral | None = None
    tpm: TpmCollateral | None = None
    fido_metadata: FidoMetadata | None = None
    arm: ArmEndorsements | None = None
    nvidia: NvidiaCollateral | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason and one sentence for a person. The reason is the contract; the sentence may change."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class InputDigests:
    """SHA-256 (hex) of every input of a verdict, so that it can be replayed and compared."""

    evidence: str
    expectation: str
    anchors: str
    collateral: str
    policy: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a format found: findings in the order of its steps, the claims, and what it did not check."""

    findings: tuple[Finding, ...]
    claims: Claims
    not_checked: tuple[Unchecked, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The two answers, kept apart. `authentic`: the vendor's hardware made this evidence for this challenge and key.
    `appraised`: and the policy accepts what it says. The first finding is the main cause of a refusal.

    Claims are reported even when the evidence is not authentic; they are then only what somebody wrote.
    """

    format: Format
    authentic: bool
    appraised: bool
    findings: tuple[Finding, ...]
    claims: Claims
    not_checked: tuple[Unchecked, ...]
    inputs: InputDigests
    verified_at: datetime

    def __post_init__(self) -> None:
        reasons = self.reasons
        assert self.authentic is authenticity(reasons)
        assert self.appraised is not bool(reasons)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Reason codes without repetition, the main cause first."""
        return tuple(dict.fromkeys(finding.reason for finding in self.findings))
