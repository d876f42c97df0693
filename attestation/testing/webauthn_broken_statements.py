"""WebAuthn statements that must be refused: signatures, bindings and certificates of each kind, TPMs and phones."""

from dataclasses import replace
from typing import Final

from attestation import cose_key as cose
from attestation.claims import SecurityLevel
from attestation.formats.tpm_chain import EK_CERTIFICATE_USAGE
from attestation.policy import AndroidPolicy
from attestation.reasons import Reason
from attestation.testing import webauthn_statements as statements
from attestation.testing.authenticator import distinguished_name
from attestation.testing.key_description import IMPORTED, VERIFY
from attestation.testing.webauthn import STRICT
from attestation.testing.webauthn_authenticator import new_p256
from attestation.testing.webauthn_makers import (
    Maker,
    android_policy,
    changed_data,
    changed_field,
    flip,
    make,
    no_status_list,
    self_attested,
)
from attestation.tpm_structures import ObjectAttribute

BROKEN_STATEMENTS: Final[dict[str, tuple[Reason, Maker]]] = {
    "packed data edited": (Reason.BAD_SIGNATURE, changed_data(lambda data: flip(data, 36))),
    "self data edited": (
        Reason.BAD_SIGNATURE,
        self_attested(change=lambda content: content | {"authData": flip(content["authData"], 36)}),
    ),
    "U2F data edited": (Reason.BAD_SIGNATURE, changed_data(lambda data: flip(data, 0), "fido-u2f")),
    "signature is no DER": (Reason.BAD_SIGNATURE, changed_field("packed", sig=b"\x30\x03\x02\x01\x01")),
    "self by another key": (Reason.BAD_SIGNATURE, self_attested(signer=new_p256())),
    "self for another algorithm": (Reason.BAD_BINDING, self_attested(algorithm=cose.ESP256)),
    "apple data edited": (Reason.NONCE_MISMATCH, changed_data(lambda data: flip(data, 36), "apple")),
    "apple for another key": (Reason.BAD_BINDING, make("apple", certified=new_p256())),
    "apple without nonce": (
        Reason.MISSING_EXTENSION,
        make("apple", write_nonce=False),
    ),
    "another model certified": (Reason.BAD_BINDING, make("packed", aaguid=bytes(16))),
    "model marked critical": (Reason.CERTIFICATE_PROFILE, make("packed", critical_aaguid=True)),
    "certificate of a CA": (Reason.CERTIFICATE_PROFILE, make("packed", is_ca=True)),
    "certificate of another unit": (
        Reason.CERTIFICATE_PROFILE,
        make("packed", subject=distinguished_name(country="SE", organization="Virtual", common="PIV key")),
    ),
    # TPM
    "TPM 1.2": (Reason.WRONG_TYPE, make("tpm", version="1.2")),
    "a quote": (Reason.WRONG_TYPE, make("tpm", attest_type=0x8018)),
    "no TPM made it": (Reason.BAD_SIGNATURE, make("tpm", magic=b"\xff\x54\x43\x48")),
    "TPM data edited": (Reason.BAD_BINDING, changed_data(lambda data: flip(data, 36), "tpm")),
    "TPM certified another object": (Reason.BAD_BINDING, make("tpm", name=b"\x00\x0b" + bytes(32))),
    "TPM certified another key": (Reason.BAD_BINDING, make("tpm", certified=new_p256())),
    "TPM signature": (Reason.BAD_SIGNATURE, changed_field("tpm", sig=b"\x30\x06\x02\x01\x01\x02\x01\x01")),
    "AIK for another use": (Reason.CERTIFICATE_PROFILE, make("tpm", usage=EK_CERTIFICATE_USAGE)),
    "AIK names no TPM": (Reason.CERTIFICATE_PROFILE, make("tpm", named=False)),
    "AIK with a subject": (Reason.CERTIFICATE_PROFILE, make("tpm", subject=distinguished_name(common="AIK"))),
    "key made elsewhere": (
        Reason.KEY_NOT_GENERATED,
        make("tpm", attributes=statements.PROTECTED & ~ObjectAttribute.SENSITIVE_DATA_ORIGIN),
    ),
    "key may leave": (
        Reason.KEY_EXPORTABLE,
        make("tpm", attributes=statements.PROTECTED & ~ObjectAttribute.FIXED_TPM),
    ),
    "SHA-1 not allowed": (
        Reason.WEAK_HASH,
        make("tpm", replace(STRICT, allow_sha1_tpm_statements=False), algorithm=cose.RS1),
    ),
    # Android
    "phone data edited": (Reason.BAD_SIGNATURE, changed_data(lambda data: flip(data, 36), "android-key")),
    "key in software": (Reason.SOFTWARE_LEVEL, make("android-key", level=SecurityLevel.SOFTWARE)),
    "imported key": (Reason.KEY_NOT_GENERATED, make("android-key", origin=IMPORTED)),
    "software key imported": (
        Reason.KEY_NOT_GENERATED,
        make(
            "android-key",
            replace(STRICT, allow_software_android_keys=True),
            level=SecurityLevel.SOFTWARE,
            origin=IMPORTED,
        ),
    ),
    "software key for other purposes": (
        Reason.BAD_BINDING,
        make(
            "android-key",
            replace(STRICT, allow_software_android_keys=True),
            level=SecurityLevel.SOFTWARE,
            purposes=(VERIFY,),
        ),
    ),
    "phone unlocked": (Reason.UNLOCKED_BOOTLOADER, make("android-key", locked=False)),
    "phone without status list": (Reason.STATUS_LIST_MISSING, no_status_list),
    "old patches": (Reason.OS_PATCH_TOO_OLD, android_policy(AndroidPolicy(min_os_patch_level=999912))),
}
