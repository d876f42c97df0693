"""What is made in the TPM: the storage key, the attestation key, sealed objects, counters.

Source: TPM 2.0 Library 1.59, Part 2, 12.2 (objects), 13 (NV); TCG TPM v2.0 Provisioning Guidance 1.0, 7.5.1 (storage
root key).
"""

from enum import IntFlag
from typing import Any, Final

STORAGE_KEY: Final = 0x81000001
"""Where a provisioned TPM keeps its storage root key (Provisioning Guidance, 7.8)."""
NV_HANDLES: Final = 0x01
"""First octet of the handle of every NV index (Part 2, 7.2)."""
PERSISTENT_HANDLES: Final = 0x81
COUNTER_BYTES: Final = 8

_USE_COUNTER_BYTES: Final = 8  # TPMS_NV_PIN_COUNTER_PARAMETERS: pinCount and pinLimit (Part 2, 13.3)


class Attribute(IntFlag):
    """TPMA_OBJECT (Part 2, 8.3)."""

    FIXED_TPM = 1 << 1
    FIXED_PARENT = 1 << 4
    SENSITIVE_DATA_ORIGIN = 1 << 5
    USER_WITH_AUTH = 1 << 6
    ADMIN_WITH_POLICY = 1 << 7
    NO_DA = 1 << 10
    RESTRICTED = 1 << 16
    DECRYPT = 1 << 17
    SIGN = 1 << 18


_STAYS: Final = Attribute.FIXED_TPM | Attribute.FIXED_PARENT
_BORN: Final = _STAYS | Attribute.SENSITIVE_DATA_ORIGIN | Attribute.USER_WITH_AUTH
STORAGE_ATTRIBUTES: Final = _BORN | Attribute.RESTRICTED | Attribute.DECRYPT


def storage_key(tss: Any) -> Any:
    """ECC P-256, AES-128-CFB, SHA-256; no dictionary attack protection, because it has no authorization value."""
    return tss.TPM2B_PUBLIC.parse("ecc256:aes128cfb", objectAttributes=int(STORAGE_ATTRIBUTES | Attribute.NO_DA))


def attestation_key(tss: Any, *, protected: bool) -> Any:
    """Restricted ECDSA P-256 with SHA-256: signs statements of the TPM, and digests that the TPM made itself."""
    attributes = _BORN | Attribute.RESTRICTED | Attribute.SIGN | _guessing(protected)
    return tss.TPM2B_PUBLIC.parse("ecc256:ecdsa-sha256:null", objectAttributes=int(attributes))


def sealed_object(tss: Any, policy: bytes, *, protected: bool) -> Any:
    """Opens by its policy only."""
    scheme = tss.TPMT_KEYEDHASH_SCHEME(scheme=tss.TPM2_ALG.NULL)
    return tss.TPM2B_PUBLIC(
        publicArea=tss.TPMT_PUBLIC(
            type=tss.TPM2_ALG.KEYEDHASH,
            nameAlg=tss.TPM2_ALG.SHA256,
            objectAttributes=int(_STAYS | Attribute.ADMIN_WITH_POLICY | _guessing(protected)),
            authPolicy=policy,
            parameters=tss.TPMU_PUBLIC_PARMS(
                keyedHashDetail=tss.TPMS_KEYEDHASH_PARMS(scheme=scheme),
            ),
        )
    )


def counter(tss: Any, index: int, *, protected: bool) -> Any:
    """Counts up by one, by whoever knows its authorization value; written through at once (not TPMA_NV_ORDERLY)."""
    flags = tss.TPMA_NV
    attributes = flags.AUTHREAD | flags.AUTHWRITE | (0 if protected else flags.NO_DA)
    return _nv(tss, index, attributes | tss.TPM2_NT.COUNTER << 4, COUNTER_BYTES, b"")


def use_counter(tss: Any, index: int, policy: bytes) -> Any:
    """Each successful authorization with its value takes one use; it is written by `policy` only."""
    flags = tss.TPMA_NV
    attributes = flags.AUTHREAD | flags.POLICYWRITE | flags.NO_DA
    return _nv(tss, index, attributes | tss.TPM2_NT.PIN_PASS << 4, _USE_COUNTER_BYTES, policy)


def _nv(tss: Any, index: int, attributes: int, size: int, policy: bytes) -> Any:
    public = tss.TPMS_NV_PUBLIC(
        nvIndex=index, nameAlg=tss.TPM2_ALG.SHA256, attributes=attributes, authPolicy=policy, dataSize=size
    )
    return tss.TPM2B_NV_PUBLIC(nvPublic=public)


def _guessing(protected: bool) -> Attribute:  # noqa: FBT001 - a fact, named at both ends
    """A value that a person chose is guarded against guessing; one that is random is not, so that wrong guesses of
    other programs, which lock the TPM, do not lock it too.
    """
    return Attribute(0) if protected else Attribute.NO_DA
