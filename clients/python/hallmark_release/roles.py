"""The four TUF roles and their keys: each role has an ECDSA P-256 key and an ML-DSA-65 key, and both must sign.

Private keys are wherever the signer says (the service's HSM boundary, memory in tests). Where a key is stands in the
metadata beside it (`x-hallmark-key`), so whoever opens a repository knows which keys to ask for. TAP 21: an ML-DSA key
signs b"tuf" || 0x01 || SHA-512(metadata) with an empty context, so 68 bytes reach it. A key of a role signs nothing
else, above all no DSSE: both would begin with bytes that a key of two uses could confuse.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Protocol, Self, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import Signature, SSlibKey
from tuf.api.metadata import Metadata

from hallmark_release.errors import RepositoryUnusable

KEY_FIELD: Final = "x-hallmark-key"
LIFETIME_FIELD: Final = "x-hallmark-lifetime-seconds"
KEYS_OF_A_ROLE: Final = 2

RolePublicKey: TypeAlias = ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey


class Role(StrEnum):
    """Of The Update Framework, section 2.1; in the order in which they are written."""

    ROOT = "root"
    TARGETS = "targets"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"


LIFETIMES: Final = {
    Role.ROOT: timedelta(days=365),
    Role.TARGETS: timedelta(days=90),
    Role.SNAPSHOT: timedelta(days=30),
    Role.TIMESTAMP: timedelta(days=7),
}
"""How long a role's metadata is good after it was signed; the timestamp's: how long news can be kept from a device."""


@dataclass(frozen=True, slots=True)
class RoleKey:
    """uri: where the private key is, for the signer; such as tenants/default/keys/tuf-root-ecdsa/versions/1."""

    uri: str
    public_key: RolePublicKey

    @classmethod
    def from_tuf(cls, key: Any) -> Self:
        """Raises RepositoryUnusable for a key that this library did not make."""
        try:
            public_key = load_pem_public_key(key.keyval["public"].encode())
            uri = key.unrecognized_fields[KEY_FIELD]
        except (KeyError, ValueError, AttributeError) as error:
            raise RepositoryUnusable("a key of the repository does not say where its private key is") from error
        if not isinstance(public_key, ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey) or not isinstance(uri, str):
            raise RepositoryUnusable("a key of the repository is neither ECDSA P-256 nor ML-DSA-65")
        return cls(uri, public_key)

    def to_tuf(self) -> Any:
        """As it stands in root.json. Its key id is the SHA-256 of what it is, without where it is."""
        key = SSlibKey.from_crypto(self.public_key)
        return SSlibKey(key.keyid, key.keytype, key.scheme, key.keyval, {KEY_FIELD: self.uri})

    def message(self, signed: bytes) -> bytes:
        """What the private key is given for metadata: ECDSA hashes it with SHA-256 itself."""
        if isinstance(self.public_key, mldsa.MLDSA65PublicKey):
            return b"tuf\x01" + hashlib.sha512(signed).digest()
        return signed


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Both must sign: whoever can forge one kind of signature still has no role."""

    ecdsa: RoleKey
    ml_dsa: RoleKey

    def __post_init__(self) -> None:
        if not isinstance(self.ecdsa.public_key, ec.EllipticCurvePublicKey) or not isinstance(
            self.ecdsa.public_key.curve, ec.SECP256R1
        ):
            raise RepositoryUnusable("the first key of a role is ECDSA on P-256")
        if not isinstance(self.ml_dsa.public_key, mldsa.MLDSA65PublicKey):
            raise RepositoryUnusable("the second key of a role is ML-DSA-65")

    def __iter__(self) -> Iterator[RoleKey]:
        return iter((self.ecdsa, self.ml_dsa))


class RoleSigner(Protocol):
    """Who has the private keys."""

    def sign(self, key: RoleKey, message: bytes) -> bytes:
        """DER Ecdsa-Sig-Value over SHA-256 of the message, or ML-DSA-65 (3,309 bytes) over it with an empty context.

        May raise whatever it likes: nothing was written then.
        """
        ...


def sign_metadata(metadata: Metadata[Any], keys: Iterable[RoleKey], signer: RoleSigner) -> None:
    """Adds a signature of each key."""
    signed = metadata.signed_bytes
    for key in keys:
        keyid = key.to_tuf().keyid
        metadata.signatures[keyid] = Signature(keyid, signer.sign(key, key.message(signed)).hex())
