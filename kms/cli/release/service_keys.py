"""The service's keys behind releases: two for statements, one for content keys, two for each TUF role.

All are ordinary keys of the tenant under names with one prefix: `hallmark keys list` shows them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hallmark_release.roles import Role, RoleKey, RoleKeys
from kms.cli.failure import not_usable

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.enums import Algorithm
    from hallmark_composite import CompositePublicKey


@dataclass(frozen=True, slots=True)
class KeyNames:
    """Key ids under a prefix."""

    prefix: str

    @property
    def ecdsa(self) -> str:
        """Signs statements in the form that today's OpenSSF verifiers accept."""
        return f"{self.prefix}-statement-ecdsa"

    @property
    def composite(self) -> str:
        return f"{self.prefix}-statement"

    @property
    def content(self) -> str:
        """Content keys are sealed to it."""
        return f"{self.prefix}-content"

    def role(self, role: Role, generation: int = 1) -> tuple[str, str]:
        """(ECDSA, ML-DSA). A role's next keys are new keys, not versions: the former root keys sign once more."""
        last = "" if generation == 1 else f"-{generation}"
        return f"{self.prefix}-tuf-{role}-ecdsa{last}", f"{self.prefix}-tuf-{role}-mldsa{last}"


def create_all(client: "Client", names: KeyNames) -> Iterator[str]:
    """Every key that is not there yet; gives the names of those that were made. Raises HallmarkError."""
    from hallmark_client.model.enums import Algorithm

    wanted = {
        names.ecdsa: Algorithm.ECDSA_P256_SHA256,
        names.composite: Algorithm.MLDSA65_ECDSA_P256_SHA512,
        names.content: Algorithm.HPKE_MLKEM768_X25519,
    }
    for role in Role:
        ecdsa, ml_dsa = names.role(role)
        wanted |= {ecdsa: Algorithm.ECDSA_P256_SHA256, ml_dsa: Algorithm.ML_DSA_65}
    for name, algorithm in wanted.items():
        if _create(client, name, algorithm):
            yield name


def create_role(client: "Client", names: KeyNames, role: Role, generation: int) -> RoleKeys:
    """New keys of a role. Raises HallmarkError."""
    from hallmark_client.model.enums import Algorithm

    ecdsa, ml_dsa = names.role(role, generation)
    _create(client, ecdsa, Algorithm.ECDSA_P256_SHA256)
    _create(client, ml_dsa, Algorithm.ML_DSA_65)
    return role_keys(client, names, role, generation)


def role_keys(client: "Client", names: KeyNames, role: Role, generation: int = 1) -> RoleKeys:
    ecdsa, ml_dsa = names.role(role, generation)
    return RoleKeys(_role_key(client, ecdsa), _role_key(client, ml_dsa))


def all_role_keys(client: "Client", names: KeyNames) -> Mapping[Role, RoleKeys]:
    return {role: role_keys(client, names, role) for role in Role}


def ecdsa_key(client: "Client", names: KeyNames) -> ec.EllipticCurvePublicKey:
    """Raises CommandError, HallmarkError."""
    found = _public_key(client, names.ecdsa)
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise _of_another_kind(names.ecdsa)
    return found


def composite_key(client: "Client", names: KeyNames) -> "CompositePublicKey":
    return client.keys.public_key(names.composite).composite()


class ServiceSigner:
    """RoleSigner: each signature is a Sign call, made in the HSM boundary, and in the log."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def sign(self, key: RoleKey, message: bytes) -> bytes:
        """Raises HallmarkError."""
        if isinstance(key.public_key, mldsa.MLDSA65PublicKey):
            return self._client.signing.sign(key.uri, message).signature
        return sign_ecdsa(self._client, key.uri, message)


def sign_ecdsa(client: "Client", name: str, message: bytes) -> bytes:
    """DER, over SHA-256 of the message; only the hash travels."""
    return client.signing.sign(name, digest=hashlib.sha256(message).digest()).signature


def sign_composite(client: "Client", name: str, message: bytes) -> bytes:
    """Raw LAMPS bytes with an empty context; only the pre-hash travels."""
    from hallmark_composite import prehash

    algorithm = client.keys.public_key(name).composite().algorithm
    return client.signing.sign(name, digest=prehash(algorithm, message)).signature


def _create(client: "Client", name: str, algorithm: "Algorithm") -> bool:
    from hallmark_client.errors import AlreadyExists

    try:
        client.keys.create(name, algorithm=algorithm)
    except AlreadyExists:
        return False
    return True


def _role_key(client: "Client", name: str) -> RoleKey:
    version = client.keys.public_key(name)
    found = _public_key(client, version.name)
    if not isinstance(found, ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey):
        raise _of_another_kind(name)
    return RoleKey(version.name, found)


def _public_key(client: "Client", name: str) -> object:
    return load_pem_public_key(client.keys.public_key(name).pem.encode())


def _of_another_kind(name: str) -> Exception:
    return not_usable(
        "KEY_OF_ANOTHER_KIND",
        f"the key {name} is of another algorithm than releases need",
        "Choose another --keys PREFIX and run `hallmark release init` again",
    )
