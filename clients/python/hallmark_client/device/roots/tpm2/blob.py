"""What the TPM root gives for a sealed secret: which conditions hold it, and the object that only this TPM loads.

Big-endian, in this order: b"HMT2" and the version 1; epoch (8 bytes); deadline on the TPM's clock in milliseconds (8,
0: none); handle of the use counter (4, 0: none); PCRs of the SHA-256 bank as bits (4); then, each behind its length
(2): SHA-256 over the values of the PCRs (empty: none), label, TPM2B_PUBLIC, TPM2B_PRIVATE, the encrypted secret.

The TPM seals 32 random bytes. The secret is under them, as in `roots.sealed`, with everything before it as associated
data: a TPM takes 128 bytes at most, and so nobody edits the rest.
"""

from dataclasses import dataclass
from typing import Final

from hallmark_client.device.roots import sealed

BLOB_MAX: Final = 2048

_MAGIC: Final = b"HMT2\x01"
_PCRS_END: Final = 1 << 24
_DIGEST_SIZE: Final = 32
_PUBLIC_MAX: Final = 256
_PRIVATE_MAX: Final = 512
_CIPHERTEXT_MAX: Final = len(sealed.VERSION) + sealed.NONCE_SIZE + sealed.SECRET_MAX + sealed.TAG_SIZE
_LENGTHS: Final = (
    range(_DIGEST_SIZE + 1),
    range(1, sealed.LABEL_MAX + 1),
    range(1, _PUBLIC_MAX + 1),
    range(1, _PRIVATE_MAX + 1),
    range(1, _CIPHERTEXT_MAX + 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """deadline: milliseconds of the TPM's clock. uses: handle of the use counter. pcrs: in ascending order.
    pcrs_sha256: over their values, 32 bytes; empty without any.
    """

    epoch: int
    deadline: int | None = None
    uses: int | None = None
    pcrs: tuple[int, ...] = ()
    pcrs_sha256: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """public, private: the object's TPM2B_PUBLIC and TPM2B_PRIVATE. ciphertext: a blob of `roots.sealed`."""

    conditions: Conditions
    label: bytes
    public: bytes
    private: bytes
    ciphertext: bytes = b""

    def associated_data(self) -> bytes:
        """Everything before the ciphertext."""
        held = self.conditions
        numbers = (
            held.epoch.to_bytes(8)
            + (held.deadline or 0).to_bytes(8)
            + (held.uses or 0).to_bytes(4)
            + sum(1 << index for index in held.pcrs).to_bytes(4)
        )
        return _MAGIC + numbers + b"".join(map(_sized, (held.pcrs_sha256, self.label, self.public, self.private)))

    def to_bytes(self) -> bytes:
        return self.associated_data() + _sized(self.ciphertext)


def parse_blob(data: bytes) -> Sealed:
    """Raises RootLost for whatever `Sealed.to_bytes` does not give."""
    header, rest = data[: len(_MAGIC) + 24], data[len(_MAGIC) + 24 :]
    if len(data) > BLOB_MAX or len(header) != len(_MAGIC) + 24 or not header.startswith(_MAGIC):
        raise sealed.not_sealed_here()
    epoch, deadline, uses, pcrs = (
        int.from_bytes(header[start:end]) for start, end in ((5, 13), (13, 21), (21, 25), (25, 29))
    )
    if pcrs >= _PCRS_END:
        raise sealed.not_sealed_here()
    pcrs_sha256, label, public, private, ciphertext = _split(rest)
    if len(pcrs_sha256) != (_DIGEST_SIZE if pcrs else 0):
        raise sealed.not_sealed_here()
    conditions = Conditions(
        epoch=epoch,
        deadline=deadline or None,
        uses=uses or None,
        pcrs=tuple(index for index in range(24) if pcrs >> index & 1),
        pcrs_sha256=pcrs_sha256,
    )
    return Sealed(conditions=conditions, label=label, public=public, private=private, ciphertext=ciphertext)


def _split(data: bytes) -> list[bytes]:
    """Five fields, and nothing behind them."""
    fields: list[bytes] = []
    for lengths in _LENGTHS:
        length = int.from_bytes(data[:2])
        field, data = data[2 : 2 + length], data[2 + length :]
        if length not in lengths or len(field) != length:
            raise sealed.not_sealed_here()
        fields.append(field)
    if data:
        raise sealed.not_sealed_here()
    return fields


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data
