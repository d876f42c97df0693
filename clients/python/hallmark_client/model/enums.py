"""The closed lists of the API. A value this release does not know is UNKNOWN, so an older client keeps working."""

from enum import StrEnum
from typing import Literal, TypeAlias

LogWait: TypeAlias = Literal["committed", "published"]
"""How long a call waits for the log: until act and entry are committed, or until a signed checkpoint covers the entry
and the answer carries the proof."""


class Algorithm(StrEnum):
    """What a key does. Composites (draft-ietf-lamps-pq-composite-sigs) have their ASN.1 names; HPKE opens envelopes."""

    MLDSA65_ECDSA_P256_SHA512 = "id-MLDSA65-ECDSA-P256-SHA512"
    MLDSA44_ECDSA_P256_SHA256 = "id-MLDSA44-ECDSA-P256-SHA256"
    MLDSA87_ECDSA_P384_SHA512 = "id-MLDSA87-ECDSA-P384-SHA512"
    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"
    ECDSA_P256_SHA256 = "ECDSA-P256-SHA256"
    ECDSA_P384_SHA384 = "ECDSA-P384-SHA384"
    ED25519 = "Ed25519"
    HPKE_MLKEM768_X25519 = "HPKE-MLKEM768-X25519"
    HPKE_MLKEM1024_P384 = "HPKE-MLKEM1024-P384"
    UNKNOWN = "UNKNOWN"


class ProtectionLevel(StrEnum):
    """Where private key material lives and is used; of two halves the weaker one."""

    SOFTWARE = "SOFTWARE"
    """In process memory (tests)."""
    HSM_WRAPPED = "HSM_WRAPPED"
    """Sealed under a non-extractable HSM key; used inside the signer process."""
    HSM = "HSM"
    """Generated in the HSM, non-extractable; used inside the HSM."""
    IMPORTED = "IMPORTED"
    """Made elsewhere and brought in, however it is kept since."""
    UNKNOWN = "UNKNOWN"


class KeyPurpose(StrEnum):
    """What a key may be used for."""

    SIGN = "SIGN"
    SERVICE = "SERVICE"
    """The service's own: signs revocation events and heartbeats."""
    ENVELOPE = "ENVELOPE"
    """Opens envelopes."""
    MANIFEST = "MANIFEST"
    """Signs manifests, and nothing else."""
    IMPORT = "IMPORT"
    """The service's own: private keys on their way in are sealed to it."""
    UNKNOWN = "UNKNOWN"


class KeyOrigin(StrEnum):
    """Where a private key was made."""

    GENERATED = "GENERATED"
    IMPORTED = "IMPORTED"
    """Elsewhere: who else has it is not known."""
    UNKNOWN = "UNKNOWN"


class ExportPolicy(StrEnum):
    """What may leave the HSM boundary. Can only be made stricter."""

    NEVER = "NEVER"
    WRAPPED = "WRAPPED"
    """Sealed to a public key, after approvals."""
    UNKNOWN = "UNKNOWN"


class Sensitivity(StrEnum):
    """How much harm a stranger could do with a thing, least first. Channel rules and access policies go by it."""

    LOW = "LOW"
    STANDARD = "STANDARD"
    HIGH = "HIGH"
    MAXIMUM = "MAXIMUM"
    UNKNOWN = "UNKNOWN"


class SecurityLevel(StrEnum):
    """Where a device's key lives and who made the statement about it, weakest first."""

    SOFTWARE = "SOFTWARE"
    TEE = "TEE"
    STRONGBOX = "STRONGBOX"
    SECURE_ENCLAVE = "SECURE_ENCLAVE"
    ENCLAVE = "ENCLAVE"
    TPM = "TPM"
    UNKNOWN = "UNKNOWN"


class KeyVersionAction(StrEnum):
    """What can be asked of a key version."""

    ACTIVATE = "ACTIVATE"
    SUSPEND = "SUSPEND"
    RESUME = "RESUME"
    DEACTIVATE = "DEACTIVATE"
    SCHEDULE_DESTROY = "SCHEDULE_DESTROY"
    RESTORE = "RESTORE"
    UNKNOWN = "UNKNOWN"


class KeyVersionState(StrEnum):
    """States of NIST SP 800-57 part 1."""

    PRE_ACTIVE = "PRE_ACTIVE"
    """Its public key is known already; it is not used yet."""
    ACTIVE = "ACTIVE"
    """Signs and verifies."""
    SUSPENDED = "SUSPENDED"
    """Not used until it is resumed."""
    DEACTIVATED = "DEACTIVATED"
    """Rotated out: verifies, does not sign."""
    COMPROMISED = "COMPROMISED"
    """Revoked: does not sign. The revocation's effective time tells which old signatures still count."""
    DESTROY_SCHEDULED = "DESTROY_SCHEDULED"
    """Not used; destroyed at its destroy_time unless it is restored before."""
    DESTROYED = "DESTROYED"
    """The private key is gone for good."""
    UNKNOWN = "UNKNOWN"


class ProposedAct(StrEnum):
    """What several people have to agree to, where the server asks for it."""

    DESTROY = "DESTROY"
    """Schedule the destruction of a key version; it can be called off for a while."""
    SHRED = "SHRED"
    """Shred an epoch of an envelope key, at once and for good."""
    EXPORT = "EXPORT"
    """Let a private key out, sealed to one recipient. Always takes somebody else."""
    POLICY_CHANGE = "POLICY_CHANGE"
    """Loosen the settings of a key."""
    TRUST_ROOT_CHANGE = "TRUST_ROOT_CHANGE"
    """Change one of the service's own keys."""
    UNKNOWN = "UNKNOWN"


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "OPEN"
    """Waits for approvals."""
    APPROVED = "APPROVED"
    """Has enough of them: the act may be done, once."""
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXECUTED = "EXECUTED"
    UNKNOWN = "UNKNOWN"


class DeviceState(StrEnum):
    """Standing of a device."""

    ATTESTED = "ATTESTED"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"


class PolicyForm(StrEnum):
    """How a policy file is written."""

    TOML = "TOML"
    JSON = "JSON"
    UNKNOWN = "UNKNOWN"


class PolicyState(StrEnum):
    """PENDING: never activated. REPLACED: was active once. REVOKED: never in force again."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    REPLACED = "REPLACED"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"


class EvidenceFormat(StrEnum):
    """What kind of attestation evidence."""

    ANDROID_KEY = "ANDROID_KEY"
    """Android Key Attestation: X.509 chain, leaf first."""
    APPLE_APP_ATTEST = "APPLE_APP_ATTEST"
    APPLE_APP_ASSERTION = "APPLE_APP_ASSERTION"
    """By a key that was enrolled with APPLE_APP_ATTEST."""
    WEBAUTHN = "WEBAUTHN"
    INTEL_SGX = "INTEL_SGX"
    INTEL_TDX = "INTEL_TDX"
    AMD_SEV_SNP = "AMD_SEV_SNP"
    AWS_NITRO = "AWS_NITRO"
    TPM = "TPM"
    AZURE_VTPM = "AZURE_VTPM"
    ARM_PSA = "ARM_PSA"
    ARM_CCA = "ARM_CCA"
    NVIDIA_GPU = "NVIDIA_GPU"
    SOFTWARE = "SOFTWARE"
    """A statement that software makes about itself: the lowest assurance."""
    UNKNOWN = "UNKNOWN"


class ChallengePurpose(StrEnum):
    """What a challenge is for; it is good for nothing else."""

    FIRST_BOOT = "FIRST_BOOT"
    """A device with its own hardware evidence enrols itself, or attests again."""
    FACTORY = "FACTORY"
    """A provisioning station enrols a device; for admins and backends."""
    SOFTWARE_SEALED = "SOFTWARE_SEALED"
    """A device without hardware evidence enrols itself."""
    ASSERTION = "ASSERTION"
    """A device that is known shows that it is still there."""
    UNKNOWN = "UNKNOWN"


class DeviceClass(StrEnum):
    """How a device came to be believed, weakest first."""

    SOFTWARE = "SOFTWARE"
    HARDWARE = "HARDWARE"
    FACTORY = "FACTORY"
    UNKNOWN = "UNKNOWN"


class CollateralKind(StrEnum):
    """What devices are judged by beside evidence, policy and trust anchors."""

    ANDROID_STATUS = "ANDROID_STATUS"
    AMD_CRL = "AMD_CRL"
    INTEL_TCB = "INTEL_TCB"
    TPM_CRL = "TPM_CRL"
    FIDO_METADATA = "FIDO_METADATA"
    TPM_KEYS = "TPM_KEYS"
    ARM_DEVICES = "ARM_DEVICES"
    NVIDIA_CRL = "NVIDIA_CRL"
    UNKNOWN = "UNKNOWN"


class CollateralState(StrEnum):
    """What has become of a piece of collateral."""

    IN_FORCE = "IN_FORCE"
    STALE = "STALE"
    """Past the time its issuer gave it; the policy says what that means."""
    OVERRIDDEN = "OVERRIDDEN"
    """The tenant's own piece stands before it."""
    UNKNOWN = "UNKNOWN"


class AssuranceLevel(StrEnum):
    """What the newest judgement of a device says."""

    APPRAISED = "APPRAISED"
    NOT_APPRAISED = "NOT_APPRAISED"
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
