"""The token of FakeKeyProvider: private keys and sealed seeds in this process's memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cryptography.exceptions
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hallmark_composite import MlDsaParameterSet
from hsm.errors import KeyNotFound, SealBroken
from hsm.material import CKA_ID_SIZE, NONCE_SIZE, SealedSeed, TokenKey
from hsm.sealing import associated_data


@dataclass(frozen=True, slots=True)
class NativeMlDsaKey:
    """An ML-DSA key that a token with ML-DSA would hold."""

    parameter_set: MlDsaParameterSet
    seed: bytes = field(repr=False)


PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | NativeMlDsaKey


class FakeToken:
    """Asserts that CKA_IDs and nonces are fresh. Every key has the label of its one use."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self.kek_id = random_bytes(CKA_ID_SIZE)
        self.keks = {self.kek_id: AESGCM(random_bytes(32))}
        self.generations = {self.kek_id: 1}
        self.serial = self.kek_id.hex()
        self.exportable: set[bytes] = set()
        self.data: dict[str, bytes] = {}
        self._keys: dict[bytes, tuple[str, PrivateKey]] = {}
        self._nonces: set[bytes] = set()

    def keep(self, private_key: PrivateKey, label: str, cka_id: bytes | None = None) -> TokenKey:
        cka_id = cka_id or self._random_bytes(CKA_ID_SIZE)
        assert cka_id not in self._keys, "randomness repeats"
        self._keys[cka_id] = (label, private_key)
        return TokenKey(cka_id)

    def find(self, key: TokenKey, label: str, kind: type[Any]) -> Any:
        """Raises KeyNotFound, or SealBroken for a key that was made for another use."""
        if key.cka_id not in self._keys:
            raise KeyNotFound("the token holds no key with this id; was it destroyed, or is this another token?")
        found_label, private_key = self._keys[key.cka_id]
        if found_label != label or not isinstance(private_key, kind):
            raise SealBroken("a key in the token was made for another use or another owner than it is asked for")
        return private_key

    def destroy(self, key: TokenKey) -> None:
        self._keys.pop(key.cka_id, None)

    def seal(self, seed: bytes, algorithm: str, public_key: bytes, key_binding: bytes) -> SealedSeed:
        aad = associated_data(kek_id=self.kek_id, algorithm=algorithm, public_key=public_key, key_binding=key_binding)
        return self.seal_bytes(seed, aad)

    def unseal(self, seal: SealedSeed, algorithm: str, public_key: bytes, key_binding: bytes) -> bytes:
        """Raises KeyNotFound, SealBroken."""
        aad = associated_data(
            kek_id=seal.kek_id,
            algorithm=algorithm,
            public_key=public_key,
            key_binding=key_binding,
            version=seal.aad_version,
        )
        return self.unseal_bytes(seal, aad)

    def seal_bytes(self, seed: bytes, aad: bytes) -> SealedSeed:
        nonce = self._random_bytes(NONCE_SIZE)
        assert nonce not in self._nonces, "a nonce must never repeat under one key (SP 800-38D, section 8)"
        self._nonces.add(nonce)
        ciphertext = self.keks[self.kek_id].encrypt(nonce, seed, aad)
        return SealedSeed(kek_id=self.kek_id, nonce=nonce, ciphertext=ciphertext)

    def unseal_bytes(self, seal: SealedSeed, aad: bytes) -> bytes:
        """Raises KeyNotFound, SealBroken."""
        if seal.kek_id not in self.keks:
            raise KeyNotFound("the token does not hold the key-encryption key of this sealed seed")
        try:
            return self.keks[seal.kek_id].decrypt(seal.nonce, seal.ciphertext, aad)
        except cryptography.exceptions.InvalidTag:
            raise SealBroken("the sealed seed does not open: it belongs to another key, or its bytes changed") from None
