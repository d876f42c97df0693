"""The second half of the port: keys of envelopes, key-encryption keys, and keys that come from or go elsewhere.

Same contract as provider.py (durability, binding, not found, threading), and:

Envelopes    A private half is opened in a signer process only. EnvelopeInvalid never says why one does not open.
Sealing      New seeds are sealed under the newest key-encryption key; every one in the token opens what it sealed.
             Generations are counted in the token, so that all who share it agree on the newest.
Import       A foreign private key arrives sealed to an HPKE key made here; outside a signer process it is never clear.
Export       Only a key made by `generate_exportable` or imported as exportable, only sealed to the recipient named in
             a permit, and only what the permit is for. A key not made so cannot leave, whatever the caller says: its
             token half is not extractable, and the associated data of its sealed half say so.
Data         A few short private notes that must not be set back with the disk: a name, and bytes. Not for secrets.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from hallmark_envelope import HpkeKem, TransferAlgorithm

from .material import HpkeKeyMaterial, KeyMaterial

Material = TypeVar("Material", bound=KeyMaterial)


@dataclass(frozen=True, slots=True, kw_only=True)
class KekFact:
    """One key-encryption key of the token."""

    kek_id: bytes
    """CKA_ID, 16 bytes; `SealedSeed.kek_id` names it."""
    generation: int
    """1 for the first."""
    newest: bool
    """It seals what is made from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPermit:
    """That this key may go to this recipient. The service makes one after its approvals and uses it once."""

    public_key_sha256: bytes
    """Of the key that may go: SHA-256 of `material.public_key`."""
    key_name: str
    """Goes into the envelope's info (hallmark_envelope.export_info)."""
    recipient_kem: HpkeKem
    recipient_public_key: bytes
    approval: str
    """Who or what allowed it, for the record: the name of the approved proposal."""

    @classmethod
    def for_key(
        cls,
        material: KeyMaterial,
        *,
        key_name: str,
        recipient_kem: HpkeKem,
        recipient_public_key: bytes,
        approval: str,
    ) -> Self:
        return cls(
            public_key_sha256=hashlib.sha256(material.public_key).digest(),
            key_name=key_name,
            recipient_kem=recipient_kem,
            recipient_public_key=recipient_public_key,
            approval=approval,
        )


class KeyCustody(Protocol):
    """See the module's text for the contract."""

    async def generate_hpke(self, kem: HpkeKem, *, key_binding: bytes) -> HpkeKeyMaterial:
        """A key that envelopes are sealed to; its 32-byte seed is sealed like an ML-DSA seed."""

    async def open_envelope(
        self, material: HpkeKeyMaterial, *, envelope: bytes, info: bytes, key_binding: bytes
    ) -> bytes:
        """The plaintext of enc || ciphertext (at most 1 MiB). Raises EnvelopeInvalid, SealBroken, InvalidRequest."""

    async def list_keks(self) -> tuple[KekFact, ...]:
        """Oldest first. Signers here seal under the newest of them from now on, also if somebody else made it."""

    async def create_kek(self) -> KekFact:
        """A new newest key-encryption key. What is sealed already stays under the older ones: see `rewrap`."""

    async def rewrap(self, material: Material, *, key_binding: bytes) -> Material:
        """The same key sealed under the newest key-encryption key; unchanged when it already is, or has no seal.

        The seed is opened, its public key derived and compared, sealed anew, and opened once more. Safe to repeat.
        Raises SealBroken.
        """

    async def destroy_kek(self, kek_id: bytes) -> None:
        """For good: what is still sealed under it is lost. Raises InvalidRequest for the newest.

        Destroying what is gone succeeds. The caller makes sure that no stored material names it any more.
        """

    async def generate_exportable(self, algorithm: TransferAlgorithm, *, key_binding: bytes) -> KeyMaterial:
        """A key that may leave under a permit. Its token half is sensitive but extractable."""

    async def import_key(
        self,
        import_key: HpkeKeyMaterial,
        *,
        envelope: bytes,
        algorithm: TransferAlgorithm,
        key_name: str,
        import_key_binding: bytes,
        key_binding: bytes,
        exportable: bool = False,
        exported_as: str = "",
    ) -> KeyMaterial:
        """A foreign key, sealed to `import_key` by its owner with hallmark_envelope.import_info.

        exported_as: instead, an envelope that `export_key` elsewhere made for `import_key`: the name in its permit.
        Formats: hallmark_envelope.transfer. Raises EnvelopeInvalid, ImportRefused, UnsupportedAlgorithm (the token
        takes no foreign keys). It has made a signature that verifies (or opened an envelope) before this returns.
        """

    async def export_key(self, material: KeyMaterial, *, permit: ExportPermit, key_binding: bytes) -> bytes:
        """The envelope for the permit's recipient. Raises ExportForbidden."""

    async def read_data(self, name: str) -> tuple[bytes, ...]:
        """What `write_data` stored under this name; empty when nothing was.

        More than one when a write was interrupted, or two wrote at once: the caller can tell which counts.
        """

    async def write_data(self, name: str, value: bytes) -> None:
        """Stores it durably in the token, and only then removes what was there under this name.

        `name` has 1 to 300 bytes, `value` 1 to 1,024. Raises UnsupportedAlgorithm where the token keeps no data
        objects (CKO_DATA), InvalidRequest.
        """
