"""The TPM's side of an activation: what to ask for, and what to send when the credential was opened."""

from collections.abc import Iterable
from datetime import datetime

from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import quote, tpm_evidence
from attestation.model import Evidence
from attestation.testing.virtual_tpm import VirtualTpm
from attestation.tpm_credential import Credential
from hallmark.v1 import devices_pb2


def keys_message(tpm: VirtualTpm, *, ek_certificates: Iterable[bytes] = ()) -> devices_pb2.TpmKeys:
    """The EK by its public area."""
    return devices_pb2.TpmKeys(ek_public=tpm.ek_public, ek_certificates=tuple(ek_certificates), ak_public=tpm.ak_public)


def opened(tpm: VirtualTpm, message: devices_pb2.TpmCredential) -> bytes:
    return tpm.activate(Credential(message.credential_blob, message.encrypted_secret))


def activation_parts(
    tpm: VirtualTpm, message: devices_pb2.TpmCredential, secret: bytes, *, now: datetime
) -> dict[str, bytes]:
    return {
        tpm_parts.EK_PUBLIC: tpm.ek_public,
        tpm_parts.EK_CERTIFICATE: tpm.ek_certificate(now=now),
        tpm_parts.AK_PUBLIC: tpm.ak_public,
        tpm_parts.ID_OBJECT: message.credential_blob,
        tpm_parts.ENCRYPTED_SECRET: message.encrypted_secret,
        tpm_parts.ACTIVATED_SECRET: secret,
    }


def bare_quote(tpm: VirtualTpm, challenge: bytes) -> Evidence:
    """Without a certificate of the AK."""
    single = tpm.quote(challenge)
    return quote(
        attest=single[tpm_parts.ATTEST],
        signature=single[tpm_parts.SIGNATURE],
        ak_public=tpm.ak_public,
        registers=tpm.registers,
    )


def activation(tpm: VirtualTpm, message: devices_pb2.TpmCredential, *, now: datetime) -> Evidence:
    return tpm_evidence(activation_parts(tpm, message, opened(tpm, message), now=now))
