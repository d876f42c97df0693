"""A key provider for tests that kill their process: real cryptography, its keys survive in a file."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.material import CKA_ID_SIZE, Ed25519KeyMaterial, TokenKey
from hsm.sealing import ED25519_LABEL
from hsm.testing import FakeKeyProvider

_SIZE = CKA_ID_SIZE + 32 + CKA_ID_SIZE + 32


class FileKeyProvider(FakeKeyProvider):
    """Holds one Ed25519 key and any number of sealed seeds. The file is its token: id and key of each of its two keys."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(os.urandom(_SIZE))
        content = path.read_bytes()
        kek_id, kek, rest = content[:CKA_ID_SIZE], content[CKA_ID_SIZE : CKA_ID_SIZE + 32], content[CKA_ID_SIZE + 32 :]
        first = [kek_id, kek]  # what the provider asks for when it is made
        super().__init__(lambda count: first.pop(0) if first else os.urandom(count))
        self._ed25519_id = rest[:CKA_ID_SIZE]
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(rest[CKA_ID_SIZE:])
        self._token.keep(self._ed25519, ED25519_LABEL, self._ed25519_id)

    async def generate_ed25519(self) -> Ed25519KeyMaterial:
        public_key = self._ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Ed25519KeyMaterial(public_key=public_key, classical=TokenKey(self._ed25519_id))
