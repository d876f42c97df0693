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
    BINDING_MISMATCH = "BINDING_MISMATCH"  # one part of the evidence does not vouch for another, as it has to
    COLLATERAL_MISSING = "COLLATERAL_MISSING"
    BAD_COLLATERAL_SIGNATURE = "BAD_COLLATERAL_SIGNATURE"
    QE_IDENTITY_MISMATCH = "QE_IDENTITY_MISMATCH"  # Intel: the key's holder is not Intel's quoting enclave
    TDX_MODULE_MISMATCH = "TDX_MODULE_MISMATCH"  # Intel: the TD was measured by a module that is not Intel's
    WRONG_TYPE = "WRONG_TYPE"  # a statement of another kind or for another purpose
    BAD_BINDING = "BAD_BINDING"  # what was signed does not name this data or this key
    NONCE_MISMATCH = "NONCE_MISMATCH"  # Apple: the nonce in the certificate is not the hash of this data
    NO_ATTESTATION = "NO_ATTESTATION"  # WebAuthn format "none"
    CERTIFICATE_PROFILE = "CERTIFICATE_PROFILE"  # the attestation certificate is not made as its format demands
    BAD_RECEIPT = "BAD_RECEIPT"  # Apple: the receipt is not signed by Apple, or is that of another key
    COUNTER_NOT_ZERO = "COUNTER_NOT_ZERO"  # Apple: a new key that was used before
    COUNTER_NOT_GREATER = "COUNTER_NOT_GREATER"  # an assertion seen before, or older than one seen before
    PCR_DIGEST_MISMATCH = "PCR_DIGEST_MISMATCH"  # TPM: the register values given are not those that were quoted
    UNTRUSTED_AK = "UNTRUSTED_AK"  # TPM: neither a certificate nor an enrolment vouches for the attestation key
    AK_NOT_RESTRICTED = "AK_NOT_RESTRICTED"  # TPM: the attestation key may sign what no TPM wrote, or may leave its TPM
    NAME_MISMATCH = "NAME_MISMATCH"  # TPM: a name is not the hash of the object it stands for
    NON_DER = "NON_DER"  # a certificate that is not DER, from a maker who is not known for such
    EVENT_LOG_MISMATCH = "EVENT_LOG_MISMATCH"  # replay of the boot event log gives other register values
    KEY_EXPORTABLE = "KEY_EXPORTABLE"  # TPM: the certified key may be duplicated to another TPM

    UNKNOWN_INSTANCE = "UNKNOWN_INSTANCE"  # Arm: the trust anchor store has no key of this instance
    UNTRUSTED_VCEK = "UNTRUSTED_VCEK"  # AMD: no key of the caller's anchors issued the endorsement key
    CHIP_ID_MISMATCH = "CHIP_ID_MISMATCH"  # AMD: the endorsement key is that of another chip

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
    STALE_COLLATERAL = "STALE_COLLATERAL"
    COLLATERAL_MISMATCH = "COLLATERAL_MISMATCH"  # genuine collateral of another platform, TEE or CA
    TCB_COLLATERAL_MISSING = "TCB_COLLATERAL_MISSING"  # Intel: nothing says whether this TCB is still good
    TCB_NOT_SUPPORTED = "TCB_NOT_SUPPORTED"  # Intel: below every TCB level, so without any status
    TCB_SW_HARDENING_NEEDED = "TCB_SW_HARDENING_NEEDED"
    TCB_CONFIGURATION_NEEDED = "TCB_CONFIGURATION_NEEDED"
    TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED = "TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED"
    TCB_OUT_OF_DATE = "TCB_OUT_OF_DATE"
    TCB_OUT_OF_DATE_CONFIGURATION_NEEDED = "TCB_OUT_OF_DATE_CONFIGURATION_NEEDED"
    TCB_REVOKED = "TCB_REVOKED"
    ADVISORY_NOT_ALLOWED = "ADVISORY_NOT_ALLOWED"  # Intel: the platform needs an advisory that the policy does not name
    ATTRIBUTES_NOT_ALLOWED = "ATTRIBUTES_NOT_ALLOWED"  # Intel: attributes or features of the enclave or TD
    SERVICE_TD_NOT_ALLOWED = "SERVICE_TD_NOT_ALLOWED"  # Intel: another TD may act on this one
    SVN_TOO_LOW = "SVN_TOO_LOW"  # the enclave is an older build than the policy's floor
    STALE_EVIDENCE = "STALE_EVIDENCE"
    DEBUG_ENABLED = "DEBUG_ENABLED"
    DEBUG_POLICY = "DEBUG_POLICY"  # AMD: the guest policy allows the host to read the guest's memory
    DEBUG_ENCLAVE = "DEBUG_ENCLAVE"  # AWS Nitro: an enclave in debug mode measures as zeros
    GUEST_POLICY_NOT_ALLOWED = "GUEST_POLICY_NOT_ALLOWED"  # AMD: what the guest's owner allows the host to do
    PLATFORM_NOT_ALLOWED = "PLATFORM_NOT_ALLOWED"  # AMD: features of the platform, mitigations
    VMPL_NOT_ALLOWED = "VMPL_NOT_ALLOWED"  # AMD: the privilege level that asked for the report
    PRODUCT_NOT_ALLOWED = "PRODUCT_NOT_ALLOWED"
    CHIP_ID_MASKED = "CHIP_ID_MASKED"  # AMD: the host hides which chip it is
    TCB_TOO_OLD = "TCB_TOO_OLD"  # AMD: a part of the firmware is below its floor
    IDENTITY_NOT_ALLOWED = "IDENTITY_NOT_ALLOWED"  # signer, family, image, chip or cloud is not one the policy names
    MEASUREMENT_MISMATCH = "MEASUREMENT_MISMATCH"
    MEASUREMENT_MISSING = "MEASUREMENT_MISSING"
    SELF_ATTESTATION = "SELF_ATTESTATION"  # WebAuthn: signed by the new key itself, proves possession only
    DEV_ENVIRONMENT = "DEV_ENVIRONMENT"  # Apple: made in the development environment
    APP_ID_MISMATCH = "APP_ID_MISMATCH"
    RP_ID_MISMATCH = "RP_ID_MISMATCH"
    ORIGIN_MISMATCH = "ORIGIN_MISMATCH"
    USER_NOT_PRESENT = "USER_NOT_PRESENT"
    USER_NOT_VERIFIED = "USER_NOT_VERIFIED"
    WEAK_HASH = "WEAK_HASH"  # SHA-1 where the policy does not allow it
    RECEIPT_MISSING = "RECEIPT_MISSING"
    METADATA_MISSING = "METADATA_MISSING"  # the policy demands FIDO metadata of this authenticator
    AUTHENTICATOR_NOT_ALLOWED = "AUTHENTICATOR_NOT_ALLOWED"
    AUTHENTICATOR_COMPROMISED = "AUTHENTICATOR_COMPROMISED"  # FIDO metadata reports a compromise or bypass
    AUTHENTICATOR_NOT_CERTIFIED = "AUTHENTICATOR_NOT_CERTIFIED"
    KIND_NOT_ALLOWED = "KIND_NOT_ALLOWED"  # TPM: kind of evidence that the policy does not accept
    CLOCK_ROLLED_BACK = "CLOCK_ROLLED_BACK"  # TPM: clock or counters are behind the record of the last evidence
    TPM_RESTARTED = "TPM_RESTARTED"  # TPM: reset or resumed since the record, which the policy does not accept
    UNKNOWN_EVENT = "UNKNOWN_EVENT"  # the boot event log has events of unknown types
    SECURE_BOOT_OFF = "SECURE_BOOT_OFF"  # the event log does not show Secure Boot enabled
    SECURE_BOOT_DB_NOT_ALLOWED = "SECURE_BOOT_DB_NOT_ALLOWED"  # Secure Boot trusts what the policy does not
    SECURE_BOOT_DBX_TOO_OLD = "SECURE_BOOT_DBX_TOO_OLD"  # Secure Boot does not refuse what the policy wants revoked
    POLICY_DENIED = "POLICY_DENIED"  # the Rego module of the policy does not allow it
    LIFECYCLE_NOT_ALLOWED = "LIFECYCLE_NOT_ALLOWED"  # Arm: the device is not secured (debug, provisioning, scrapped)

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
        Reason.BINDING_MISMATCH,
        Reason.COLLATERAL_MISSING,
        Reason.BAD_COLLATERAL_SIGNATURE,
        Reason.QE_IDENTITY_MISMATCH,
        Reason.TDX_MODULE_MISMATCH,
        Reason.UNKNOWN_INSTANCE,
        Reason.UNTRUSTED_VCEK,
        Reason.CHIP_ID_MISMATCH,
        Reason.WRONG_TYPE,
        Reason.BAD_BINDING,
        Reason.NONCE_MISMATCH,
        Reason.NO_ATTESTATION,
        Reason.CERTIFICATE_PROFILE,
        Reason.BAD_RECEIPT,
        Reason.COUNTER_NOT_ZERO,
        Reason.COUNTER_NOT_GREATER,
        Reason.PCR_DIGEST_MISMATCH,
        Reason.UNTRUSTED_AK,
        Reason.AK_NOT_RESTRICTED,
        Reason.NAME_MISMATCH,
        Reason.NON_DER,
        Reason.EVENT_LOG_MISMATCH,
        Reason.KEY_EXPORTABLE,
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
    REPORT = "REPORT"  # AMD: only an endorsement key was given, no report that it signed
    TCB_FLOOR = "TCB_FLOOR"  # the policy sets no floor for the firmware
    VMPL = "VMPL"  # AMD: the policy names no privilege level
    RELYING_PARTY = "RELYING_PARTY"  # the policy names no relying party (WebAuthn: rpId) or no origin
    COUNTER = "COUNTER"  # the caller named no earlier value of the signature counter
    RECEIPT = "RECEIPT"  # Apple's receipt was absent, or no anchor for receipts was given
    AUTHENTICATOR_STATUS = "AUTHENTICATOR_STATUS"  # no FIDO metadata was given, or it has no entry for this model
    CHALLENGE = "CHALLENGE"  # the evidence carries no challenge
    POSSESSION = "POSSESSION"  # only certificates: nothing shows that the sender holds their keys
    ENROLLED_KEY = "ENROLLED_KEY"  # trust in the TPM's key comes from enrolment by the caller, not from a certificate
    AK_ATTRIBUTES = "AK_ATTRIBUTES"  # the public area of the TPM's key was not given, or not bound to its certificate
    REVOCATION = "REVOCATION"  # no revocation list of an issuer was given
    PCR_VALUES = "PCR_VALUES"  # a TPM quote came without the values of its registers
    EVENT_LOG = "EVENT_LOG"  # no boot event log was given, or none for the quoted bank
    MEASUREMENTS = "MEASUREMENTS"  # the policy names no reference values
    TCB_STATUS = "TCB_STATUS"  # Intel: no collateral, so neither TCB, nor quoting enclave, nor revocation was looked at
    PLATFORM_IDENTITY = "PLATFORM_IDENTITY"  # the policy pins no processors; any genuine one will do
    CLOCK = "CLOCK"  # the caller gave no record of earlier evidence to compare the TPM's clock with
    RIM = "RIM"  # NVIDIA: no reference measurements of driver and VBIOS were given to compare with


def authenticity(reasons: tuple[Reason, ...]) -> bool:
    """True when none of these reasons breaks authenticity."""
    return not any(reason.breaks_authenticity for reason in reasons)
