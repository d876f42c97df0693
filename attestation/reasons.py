"""Why evidence was refused, and what was not looked at: closed enums, stable names (they are logged and signed)."""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """One cause of a refusal. `breaks_authenticity` tells the two answers of a verdict apart (RFC 9334: evidence that
    is genuine can still fail the appraisal policy).
    """

    # Authenticity: signatures, chain to the vendor's key, binding to the key and the challenge, freshness.
    MALFORMED = "MALFORMED"
    INCOMPLETE_CHAIN = "INCOMPLETE_CHAIN"
    BROKEN_CHAIN = "BROKEN_CHAIN"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNSUPPORTED_ALGORITHM = "UNSUPPORTED_ALGORITHM"
    WEAK_KEY = "WEAK_KEY"
    SOFTWARE_ROOT = "SOFTWARE_ROOT"
    UNTRUSTED_ROOT = "UNTRUSTED_ROOT"
    CHAIN_EXTENDED = "CHAIN_EXTENDED"
    ISSUER_NOT_CA = "ISSUER_NOT_CA"
    MISSING_EXTENSION = "MISSING_EXTENSION"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    CHALLENGE_MISMATCH = "CHALLENGE_MISMATCH"
    KEY_MISMATCH = "KEY_MISMATCH"
    SOFTWARE_LEVEL = "SOFTWARE_LEVEL"
    KEY_NOT_GENERATED = "KEY_NOT_GENERATED"

    # Appraisal: the evidence is genuine, the policy does not accept what it says.
    ATTESTATION_EXTENSION_IN_NON_LEAF = "ATTESTATION_EXTENSION_IN_NON_LEAF"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    STATUS_LIST_MISSING = "STATUS_LIST_MISSING"
    STATUS_LIST_STALE = "STATUS_LIST_STALE"
    LEVEL_MISMATCH = "LEVEL_MISMATCH"
    LEVEL_NOT_ALLOWED = "LEVEL_NOT_ALLOWED"
    LEVEL_NOT_CERTIFIED = "LEVEL_NOT_CERTIFIED"
    PROVISIONING_NOT_ALLOWED = "PROVISIONING_NOT_ALLOWED"
    ROOT_OF_TRUST_MISSING = "ROOT_OF_TRUST_MISSING"
    UNLOCKED_BOOTLOADER = "UNLOCKED_BOOTLOADER"
    BOOT_NOT_VERIFIED = "BOOT_NOT_VERIFIED"
    BOOT_KEY_NOT_ALLOWED = "BOOT_KEY_NOT_ALLOWED"
    OS_PATCH_TOO_OLD = "OS_PATCH_TOO_OLD"
    VENDOR_PATCH_TOO_OLD = "VENDOR_PATCH_TOO_OLD"
    BOOT_PATCH_TOO_OLD = "BOOT_PATCH_TOO_OLD"
    PURPOSE_NOT_ALLOWED = "PURPOSE_NOT_ALLOWED"
    APP_NOT_ALLOWED = "APP_NOT_ALLOWED"
    TAGS_UNORDERED = "TAGS_UNORDERED"

    @property
    def breaks_authenticity(self) -> bool:
        return self in _AUTHENTICITY


# KEY_NOT_GENERATED and SOFTWARE_LEVEL stand here and not with the policy: what the evidence has to bind is a key to
# secure hardware. A key that was imported existed outside it, and an attestation made at software level was made
# outside it; neither can be made right by a milder policy.
_AUTHENTICITY: Final = frozenset(
    {
        Reason.MALFORMED,
        Reason.INCOMPLETE_CHAIN,
        Reason.BROKEN_CHAIN,
        Reason.BAD_SIGNATURE,
        Reason.UNSUPPORTED_ALGORITHM,
        Reason.WEAK_KEY,
        Reason.SOFTWARE_ROOT,
        Reason.UNTRUSTED_ROOT,
        Reason.CHAIN_EXTENDED,
        Reason.ISSUER_NOT_CA,
        Reason.MISSING_EXTENSION,
        Reason.EXPIRED,
        Reason.NOT_YET_VALID,
        Reason.CHALLENGE_MISMATCH,
        Reason.KEY_MISMATCH,
        Reason.SOFTWARE_LEVEL,
        Reason.KEY_NOT_GENERATED,
    }
)


class Unchecked(StrEnum):
    """What a verdict did not look at, so that nobody reads more into it than it says."""

    STATUS_LIST = "STATUS_LIST"  # the policy allows the vendor's revocation list to be absent, and it was
    KEY_BINDING = "KEY_BINDING"  # the caller named no key that the evidence must attest
    LEAF_DATES = "LEAF_DATES"  # written by the device itself; they mean nothing
    ISSUER_EXPIRY = "ISSUER_EXPIRY"  # factory-provisioned keys cannot be renewed, so their dates are ignored
    PATCH_LEVELS = "PATCH_LEVELS"  # the policy sets no floor
    APP_IDENTITY = "APP_IDENTITY"  # the policy names no application


def authenticity(reasons: tuple[Reason, ...]) -> bool:
    """True when none of these reasons breaks authenticity."""
    return not any(reason.breaks_authenticity for reason in reasons)
