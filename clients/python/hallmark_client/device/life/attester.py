"""Ports: who vouches for a device, and where its key is.

An attester is chosen once, at enrolment, and asked again each time the certificate is renewed. Attesters of this
package: SoftwareAttester (nothing vouches for it), those beside the roots of trust (TPM, bridge), or your own.
"""

from dataclasses import dataclass
from typing import Protocol

from hallmark_client.model.devices import Challenge, Evidence, TpmKeys
from hallmark_client.model.enums import ChallengePurpose


class DeviceKey(Protocol):
    """The attested key, EC P-256: of the client certificate, the HPKE key and the receipts. Raises RootFailed."""

    @property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over the message, DER. Called from several threads, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """challenge: the 32 bytes that the HPKE key is to be signed over; for a TPM what was inside its credential."""

    evidence: Evidence
    challenge: bytes


class Attester(Protocol):
    """Threads: one caller at a time. Raises RootFailed when what vouches can not be reached."""

    @property
    def purpose(self) -> ChallengePurpose:
        """FIRST_BOOT, or SOFTWARE_SEALED where no hardware vouches."""

    def key(self) -> DeviceKey | None:
        """The key that lives with the attester, the same at each call. None: the device makes one and keeps it in its
        vault.
        """

    def tpm_keys(self) -> TpmKeys | None:
        """To ask for a credential that only this TPM opens; None where the challenge may be told openly."""

    def prove(self, challenge: Challenge, key: DeviceKey) -> Proof:
        """Evidence over the challenge that attests `key`."""
