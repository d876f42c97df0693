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

from attestation.claims import Claims
from attestation.errors import ArgumentError
from attestation.reasons import Reason, Unchecked, authenticity
from attestation.status import StatusList

CERTIFICATE: Final = "certificate"  # name of the parts that are DER certificates
MAX_CHALLENGE_BYTES: Final = 128  # Tag::ATTESTATION_CHALLENGE of KeyMint


class Format(StrEnum):
    """Kinds of evidence."""

    ANDROID_KEY = "android-key"


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
    """What the caller knows beforehand: the challenge it gave (1 to 128 bytes) and, where it enrols a key, that key as
    DER SubjectPublicKeyInfo. Without a key the verdict says that the binding was not checked.
    """

    challenge: bytes
    key_spki: bytes | None = None

    def __post_init__(self) -> None:
        # An empty challenge would be met by any evidence ever made with an empty one.
        if not 1 <= len(self.challenge) <= MAX_CHALLENGE_BYTES:
            raise ArgumentError(f"challenge of {len(self.challenge)} bytes, 1 to {MAX_CHALLENGE_BYTES} are possible")

    def challenge_matches(self, found: bytes) -> bool:
        return hmac.compare_digest(self.challenge, found)


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """A vendor's key that chains may end in. `spki` is the DER SubjectPublicKeyInfo; certificates are not kept, because
    vendors re-issue them around the same key. A period is given only where the vendor announced one.
    """

    name: str
    formats: frozenset[Format]
    spki: bytes = field(repr=False)
    source: str
    not_before: datetime | None = None
    not_after: datetime | None = None

    @property
    def spki_sha256(self) -> str:
        return sha256(self.spki).hexdigest()


@dataclass(frozen=True, slots=True)
class Anchors:
    """The keys a caller trusts, each only for the formats it names."""

    items: tuple[TrustAnchor, ...]

    def for_format(self, wanted: Format) -> tuple[TrustAnchor, ...]:
        return tuple(anchor for anchor in self.items if wanted in anchor.formats)


@dataclass(frozen=True, slots=True)
class Collateral:
    """Vendor data beside the evidence, fetched by someone else and passed in with the time it was fetched."""

    android_status: StatusList | None = None


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
