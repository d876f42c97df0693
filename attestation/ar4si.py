"""A verdict as a trustworthiness vector (AR4SI, draft-ietf-rats-ar4si-09, section 2.3): one number for each question a
relying party may have, the same for phones, enclaves and TPMs. A question that the evidence does not answer is left out
(it would be 0, "no claim").

1. Not authentic: `instance-identity` alone, 99 (the cryptography failed) or 97 (nobody we know vouches for it).
2. Authentic: from the claims, what the vendor vouches for.
3. From the reasons of a refusal, what the policy did not accept: the worse of 2 and 3 stands.
"""

from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Final

from attestation.claims import BootVerification, Claims, SecurityLevel
from attestation.model import Verdict
from attestation.reasons import Reason, Unchecked


class Question(StrEnum):
    """Members of the vector that verdicts of this package can answer."""

    INSTANCE_IDENTITY = "instance-identity"
    CONFIGURATION = "configuration"
    EXECUTABLES = "executables"
    HARDWARE = "hardware"
    RUNTIME_OPAQUE = "runtime-opaque"
    STORAGE_OPAQUE = "storage-opaque"


class Tier(IntEnum):
    """Ranges of the numbers: 2 to 31, 32 to 95, 96 to 127 (section 2.3.2). The value is where the range begins."""

    NONE = 0
    AFFIRMING = 2
    WARNING = 32
    CONTRAINDICATED = 96

    @classmethod
    def of(cls, number: int) -> "Tier":
        return max((tier for tier in cls if tier <= number), default=cls.NONE)


# The numbers of section 2.3.4 that are used here. 2 is the best answer to every question.
GOOD: Final = 2
APPROVED_BOOT: Final = 3  # executables: what was loaded while starting is known and approved
UNSAFE: Final = 32  # configuration, executables, hardware: known, with known weaknesses
SOFTWARE_KEYS: Final = 32  # storage-opaque: encrypted, by keys that software holds
UNRECOGNIZED_CODE: Final = 33  # executables
BAD: Final = 96
UNKNOWN: Final = 97  # instance-identity: the verifier does not recognise it
CRYPTO_FAILED: Final = 99

_NOBODY_VOUCHES: Final = frozenset(
    {
        Reason.UNTRUSTED_ROOT,
        Reason.SOFTWARE_ROOT,
        Reason.UNTRUSTED_VCEK,
        Reason.UNTRUSTED_AK,
        Reason.NO_ATTESTATION,
    }
)
_HARDWARE_KEYS: Final = frozenset(
    {SecurityLevel.TEE, SecurityLevel.STRONGBOX, SecurityLevel.SECURE_ENCLAVE, SecurityLevel.TPM}
)
# What a refusal says about which question. Reasons that are not here are about the configuration.
_ABOUT: Final[dict[Reason, tuple[Question, int]]] = {
    Reason.REVOKED: (Question.INSTANCE_IDENTITY, BAD),
    Reason.SUSPENDED: (Question.INSTANCE_IDENTITY, BAD),
    Reason.IDENTITY_NOT_ALLOWED: (Question.INSTANCE_IDENTITY, BAD),
    Reason.SELF_ATTESTATION: (Question.INSTANCE_IDENTITY, UNKNOWN),
    Reason.AUTHENTICATOR_COMPROMISED: (Question.HARDWARE, BAD),
    Reason.AUTHENTICATOR_NOT_ALLOWED: (Question.HARDWARE, BAD),
    Reason.AUTHENTICATOR_NOT_CERTIFIED: (Question.HARDWARE, UNSAFE),
    Reason.LEVEL_NOT_ALLOWED: (Question.HARDWARE, BAD),
    Reason.LEVEL_MISMATCH: (Question.HARDWARE, BAD),
    Reason.LEVEL_NOT_CERTIFIED: (Question.HARDWARE, BAD),
    Reason.PLATFORM_NOT_ALLOWED: (Question.HARDWARE, BAD),
    Reason.PRODUCT_NOT_ALLOWED: (Question.HARDWARE, BAD),
    Reason.TCB_REVOKED: (Question.HARDWARE, BAD),
    Reason.TCB_NOT_SUPPORTED: (Question.HARDWARE, BAD),
    Reason.TCB_OUT_OF_DATE: (Question.HARDWARE, UNSAFE),
    Reason.TCB_OUT_OF_DATE_CONFIGURATION_NEEDED: (Question.HARDWARE, UNSAFE),
    Reason.TCB_SW_HARDENING_NEEDED: (Question.HARDWARE, UNSAFE),
    Reason.TCB_CONFIGURATION_NEEDED: (Question.HARDWARE, UNSAFE),
    Reason.TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED: (Question.HARDWARE, UNSAFE),
    Reason.TCB_TOO_OLD: (Question.HARDWARE, UNSAFE),
    Reason.ADVISORY_NOT_ALLOWED: (Question.HARDWARE, UNSAFE),
    Reason.BOOT_NOT_VERIFIED: (Question.EXECUTABLES, BAD),
    Reason.BOOT_KEY_NOT_ALLOWED: (Question.EXECUTABLES, UNRECOGNIZED_CODE),
    Reason.OS_PATCH_TOO_OLD: (Question.EXECUTABLES, UNSAFE),
    Reason.VENDOR_PATCH_TOO_OLD: (Question.EXECUTABLES, UNSAFE),
    Reason.BOOT_PATCH_TOO_OLD: (Question.EXECUTABLES, UNSAFE),
    Reason.SVN_TOO_LOW: (Question.EXECUTABLES, UNSAFE),
    Reason.MEASUREMENT_MISMATCH: (Question.EXECUTABLES, UNRECOGNIZED_CODE),
    Reason.MEASUREMENT_MISSING: (Question.EXECUTABLES, UNRECOGNIZED_CODE),
    Reason.APP_NOT_ALLOWED: (Question.EXECUTABLES, BAD),
    Reason.APP_ID_MISMATCH: (Question.EXECUTABLES, BAD),
}
_BOOT: Final = {
    BootVerification.VERIFIED: APPROVED_BOOT,
    BootVerification.SELF_SIGNED: UNRECOGNIZED_CODE,
    BootVerification.UNVERIFIED: BAD,
    BootVerification.FAILED: BAD,
}


def trustworthiness_vector(verdict: Verdict) -> dict[str, int]:
    """Numbers 2 to 127 by question, only those that are answered."""
    if not verdict.authentic:
        unknown = verdict.reasons[0] in _NOBODY_VOUCHES
        return {Question.INSTANCE_IDENTITY.value: UNKNOWN if unknown else CRYPTO_FAILED}
    answers: dict[Question, int] = {}
    for question, number in (*_from_claims(verdict), *_from_reasons(verdict)):
        answers[question] = max(number, answers.get(question, 0))
    return {question.value: answers[question] for question in Question if question in answers}


def tier(vector: dict[str, int], *, appraised: bool) -> Tier:
    """The whole in one word: what was refused is contraindicated. What a mild policy accepted is a warning at worst."""
    worst = Tier.of(max(vector.values(), default=0))
    return min(worst, Tier.WARNING) if appraised else Tier.CONTRAINDICATED


def _from_claims(verdict: Verdict) -> Iterator[tuple[Question, int]]:
    claims, level = verdict.claims, verdict.claims.security_level
    yield Question.INSTANCE_IDENTITY, GOOD
    if level not in {None, SecurityLevel.SOFTWARE}:
        yield Question.HARDWARE, GOOD
    if claims.boot is not None:
        yield Question.EXECUTABLES, _BOOT[claims.boot.verification]
    elif claims.measurements and Unchecked.MEASUREMENTS not in verdict.not_checked:
        yield Question.EXECUTABLES, GOOD
    yield from _configuration(claims)
    if level is SecurityLevel.ENCLAVE and claims.debug is not None:
        yield Question.RUNTIME_OPAQUE, BAD if claims.debug else GOOD
    if level in _HARDWARE_KEYS and claims.key is not None:
        yield Question.STORAGE_OPAQUE, GOOD
    elif level is SecurityLevel.SOFTWARE:
        yield Question.STORAGE_OPAQUE, SOFTWARE_KEYS


def _configuration(claims: Claims) -> Iterator[tuple[Question, int]]:
    if claims.debug is not None:
        yield Question.CONFIGURATION, BAD if claims.debug else GOOD
    if claims.boot is not None:
        yield Question.CONFIGURATION, GOOD if claims.boot.locked else BAD


def _from_reasons(verdict: Verdict) -> Iterator[tuple[Question, int]]:
    for reason in verdict.reasons:
        yield _ABOUT.get(reason, (Question.CONFIGURATION, BAD))
