"""The keys of one message, and its chunks one by one."""

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from hallmark_client.device.chunks.layout import CHUNK, CHUNKS_MAX, COMMITMENT, HEADER, KEY, SALT, SEALED_CHUNK, TAG
from hallmark_client.device.errors import ContentInvalid

_LABEL: Final = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
_NONCE: Final = 12


class MessageKey:
    """Key, base nonce and commitment of the message with this salt and context ("Key derivation").

    key: 32 bytes, uniformly random. salt: 24 bytes, never twice with one key. May be used from several threads.
    """

    __slots__ = ("_base", "_cipher", "commitment", "salt")

    def __init__(self, key: bytes | bytearray, context: bytes, salt: bytes) -> None:
        if len(key) != KEY or len(salt) != SALT:
            raise ValueError(f"a key has {KEY} bytes and a salt {SALT}, not {len(key)} and {len(salt)}")
        derived = HKDFExpand(SHA512(), KEY + _NONCE + COMMITMENT, _LABEL + salt + context).derive(key)
        self._cipher = AESGCM(derived[:KEY])
        self._base = int.from_bytes(derived[KEY : KEY + _NONCE], "big")
        self.salt = salt
        self.commitment = derived[KEY + _NONCE :]

    @classmethod
    def of_header(cls, key: bytes | bytearray, context: bytes, header: bytes) -> "MessageKey":
        """header: the first 56 bytes. Raises ContentInvalid when they are of another key, context or message."""
        if len(header) != HEADER:
            raise ContentInvalid("CONTENT_INVALID", "the encrypted bytes end before their first chunk")
        message = cls(key, context, header[:SALT])
        if not hmac.compare_digest(message.commitment, header[SALT:]):
            raise ContentInvalid("CONTENT_INVALID", "the encrypted bytes are not of this key and context")
        return message

    @property
    def header(self) -> bytes:
        return self.salt + self.commitment

    def seal(self, first: int, plain: memoryview, into: memoryview) -> int:
        """Seals `plain`, whole chunks, as those from number `first` on. Returns how many bytes of `into` it filled."""
        seal, base, at = self._cipher.encrypt_into, self._base, 0
        if len(plain) % CHUNK or first + len(plain) // CHUNK >= CHUNKS_MAX:
            raise ValueError(f"whole chunks are sealed here, less than {CHUNKS_MAX} of them")
        for number, start in enumerate(range(0, len(plain), CHUNK), first):
            chunk = plain[start : start + CHUNK]
            end = at + len(chunk) + TAG
            seal((base ^ number).to_bytes(_NONCE, "big"), chunk, None, into[at:end])
            at = end
        return at

    def open(self, first: int, sealed: memoryview, into: memoryview) -> int:
        """Opens the chunks from number `first` on. Returns how many bytes of `into` it filled. Raises ContentInvalid;
        what `into` held is then overwritten with zeros.
        """
        opened, base, at = self._cipher.decrypt_into, self._base, 0
        try:
            for number, start in enumerate(range(0, len(sealed), SEALED_CHUNK), first):
                chunk = sealed[start : start + SEALED_CHUNK]
                end = at + len(chunk) - TAG
                opened((base ^ number).to_bytes(_NONCE, "big"), chunk, None, into[at:end])
                at = end
        except InvalidTag:
            into[:] = bytes(len(into))
            place = (first * CHUNK + at) // CHUNK
            raise ContentInvalid("CONTENT_INVALID", f"chunk {place} of the encrypted bytes was changed") from None
        return at

    def seal_last(self, number: int, plain: memoryview, into: memoryview) -> int:
        """The short chunk at the end, also when it is empty."""
        if len(plain) >= CHUNK or number >= CHUNKS_MAX:
            raise ValueError("the last chunk is shorter than the others")
        nonce = (self._base ^ number).to_bytes(_NONCE, "big")
        return self._cipher.encrypt_into(nonce, plain, None, into[: len(plain) + TAG])
