"""A bounded reader of TPM wire bytes: big-endian numbers and sized buffers (TPM 2.0 Library, Part 2, 10.4.2)."""

from enum import IntEnum
from typing import Final

from attestation.errors import EvidenceError


class TpmAlgorithm(IntEnum):
    """TPM_ALG_ID values that occur in evidence (TCG Algorithm Registry, table 3)."""

    RSA = 0x0001
    SHA1 = 0x0004
    HMAC = 0x0005
    AES = 0x0006
    KEYEDHASH = 0x0008
    SHA256 = 0x000B
    SHA384 = 0x000C
    SHA512 = 0x000D
    NULL = 0x0010
    SM3_256 = 0x0012
    SM4 = 0x0013
    RSASSA = 0x0014
    RSAES = 0x0015
    RSAPSS = 0x0016
    OAEP = 0x0017
    ECDSA = 0x0018
    ECDH = 0x0019
    ECDAA = 0x001A
    SM2 = 0x001B
    ECSCHNORR = 0x001C
    ECMQV = 0x001D
    ECC = 0x0023
    CAMELLIA = 0x0026
    SHA3_256 = 0x0027
    SHA3_384 = 0x0028
    SHA3_512 = 0x0029
    CFB = 0x0043


# hashlib's names. SM3 is left out: OpenSSL builds differ on whether they carry it, and verdicts must not.
HASH_NAMES: Final[dict[int, str]] = {
    TpmAlgorithm.SHA1: "sha1",
    TpmAlgorithm.SHA256: "sha256",
    TpmAlgorithm.SHA384: "sha384",
    TpmAlgorithm.SHA512: "sha512",
    TpmAlgorithm.SHA3_256: "sha3_256",
    TpmAlgorithm.SHA3_384: "sha3_384",
    TpmAlgorithm.SHA3_512: "sha3_512",
}
HASH_BYTES: Final[dict[int, int]] = {
    TpmAlgorithm.SHA1: 20,
    TpmAlgorithm.SHA256: 32,
    TpmAlgorithm.SHA384: 48,
    TpmAlgorithm.SHA512: 64,
    TpmAlgorithm.SM3_256: 32,
    TpmAlgorithm.SHA3_256: 32,
    TpmAlgorithm.SHA3_384: 48,
    TpmAlgorithm.SHA3_512: 64,
}


class TpmReader:
    """Reads one structure from front to back; every read beyond the end raises EvidenceError (MALFORMED)."""

    __slots__ = ("_data", "_name", "_offset")

    def __init__(self, data: bytes, *, name: str, at_most: int) -> None:
        if len(data) > at_most:
            raise EvidenceError(f"{name} of {len(data)} bytes, at most {at_most}")
        self._data = data
        self._name = name
        self._offset = 0

    def take(self, size: int) -> bytes:
        end = self._offset + size
        if end > len(self._data):
            raise EvidenceError(f"{self._name} is cut short")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def number(self, size: int) -> int:
        """Unsigned big-endian number of `size` octets."""
        return int.from_bytes(self.take(size))

    def sized(self, *, at_most: int) -> bytes:
        """A TPM2B: length in two octets, then that many octets."""
        size = self.number(2)
        if size > at_most:
            raise EvidenceError(f"{self._name} has a field of {size} bytes, at most {at_most}")
        return self.take(size)

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._offset)

    def boolean(self) -> bool:
        """TPMI_YES_NO. TPMs write 0 or 1; the W3C's WebAuthn test vectors hold other octets, which count as yes."""
        return self.number(1) != 0

    def end(self) -> None:
        if self._offset != len(self._data):
            raise EvidenceError(f"{len(self._data) - self._offset} bytes follow the {self._name}")
