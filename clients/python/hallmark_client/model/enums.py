"""The closed lists of the API. A value this release does not know is UNKNOWN, so an older client keeps working."""

from enum import StrEnum
from typing import Literal, TypeAlias

LogWait: TypeAlias = Literal["committed", "published"]
"""How long a call waits for the log: until act and entry are committed, or until a signed checkpoint covers the entry
and the answer carries the proof."""


class Algorithm(StrEnum):
    """Composite signature algorithms (draft-ietf-lamps-pq-composite-sigs), by their ASN.1 names."""

    MLDSA65_ECDSA_P256_SHA512 = "id-MLDSA65-ECDSA-P256-SHA512"
    MLDSA44_ECDSA_P256_SHA256 = "id-MLDSA44-ECDSA-P256-SHA256"
    MLDSA87_ECDSA_P384_SHA512 = "id-MLDSA87-ECDSA-P384-SHA512"
    UNKNOWN = "UNKNOWN"


class ProtectionLevel(StrEnum):
    """Where private key material lives and is used; of two halves the weaker one."""

    SOFTWARE = "SOFTWARE"
    """In process memory (tests)."""
    HSM_WRAPPED = "HSM_WRAPPED"
    """Sealed under a non-extractable HSM key; used inside the signer process."""
    HSM = "HSM"
    """Generated in the HSM, non-extractable; used inside the HSM."""
    UNKNOWN = "UNKNOWN"


class KeyPurpose(StrEnum):
    """What a key may be used for."""

    SIGN = "SIGN"
    SERVICE = "SERVICE"
    """The service's own: signs revocation events and heartbeats."""
    UNKNOWN = "UNKNOWN"


class KeyVersionState(StrEnum):
    """States of NIST SP 800-57 part 1 that the server uses."""

    ACTIVE = "ACTIVE"
    """Signs and verifies."""
    DEACTIVATED = "DEACTIVATED"
    """Rotated out: verifies, does not sign."""
    COMPROMISED = "COMPROMISED"
    """Revoked: does not sign. The revocation's effective time tells which old signatures still count."""
    UNKNOWN = "UNKNOWN"


class DeviceState(StrEnum):
    """Standing of a device."""

    ATTESTED = "ATTESTED"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"


class EvidenceFormat(StrEnum):
    """What kind of attestation evidence."""

    ANDROID_KEY = "ANDROID_KEY"
    """Android Key Attestation: X.509 chain, leaf first."""
    UNKNOWN = "UNKNOWN"


class RevocationReason(StrEnum):
    """Why something was revoked. An UNKNOWN reason is a revocation all the same: obey it."""

    KEY_COMPROMISE = "KEY_COMPROMISE"
    SUPERSEDED = "SUPERSEDED"
    CESSATION_OF_OPERATION = "CESSATION_OF_OPERATION"
    DEVICE_LOST = "DEVICE_LOST"
    DEVICE_COMPROMISED = "DEVICE_COMPROMISED"
    POLICY_VIOLATION = "POLICY_VIOLATION"
    WITHDRAWN = "WITHDRAWN"
    UNKNOWN = "UNKNOWN"


class InitiatingEntity(StrEnum):
    """Who began an act (CAEP initiating_entity)."""

    ADMIN = "ADMIN"
    USER = "USER"
    POLICY = "POLICY"
    SYSTEM = "SYSTEM"
    UNKNOWN = "UNKNOWN"
