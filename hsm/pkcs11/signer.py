"""What a signer process does with its token and engines. One method per operation of the wire; no I/O of its own.

Every signature is checked in software before it leaves (hsm/signing.py), wherever it was made.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

from hallmark_composite import CompositePublicKey, EcCurve, MlDsaParameterSet, algorithm_by_name, prehash
from hsm import signing
from hsm.engine_selection import EngineSelection
from hsm.errors import HsmError, InvalidRequest, UnsupportedAlgorithm
from hsm.material import (
    CKA_ID_SIZE,
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    TokenKey,
    material_from_bytes,
)
from hsm.sealing import COMPONENT_LABEL, ECDSA_LABEL
from hsm.self_test import self_test_request

from .custody import Custody
from .custody_session import CustodySession
from .faults import TokenLost
from .frames import Operation, SignKind
from .generation import KeyGenerator
from .items import to_item
from .opened_keys import OpenedKeys

_SELF_TEST: Final = b"hallmark self-test"
_CHANGES_THE_TOKEN: Final = frozenset(
    {
        Operation.GENERATE_COMPOSITE,
        Operation.GENERATE_ECDSA,
        Operation.GENERATE_ED25519,
        Operation.GENERATE_MLDSA,
        Operation.GENERATE_EXPORTABLE,
        Operation.IMPORT_KEY,
        Operation.DESTROY,
        Operation.CREATE_KEK,
        Operation.DESTROY_KEK,
        Operation.WRITE_DATA,
    }
)
M = TypeVar("M", bound=KeyMaterial)


class Signer:
    """`clock` is monotonic seconds. `native_sets`: the ML-DSA parameter sets whose new keys live in the token."""

    def __init__(
        self,
        token: CustodySession,
        engines: EngineSelection,
        *,
        native_sets: frozenset[MlDsaParameterSet],
        clock: Callable[[], float],
        cache_seconds: float,
    ) -> None:
        self._token = token
        self._engines = engines
        self._opened = OpenedKeys(token, clock=clock, cache_seconds=cache_seconds)
        self._generator = KeyGenerator(token, engines.signer, native_sets)
        self._renew_probe()
        custody = Custody(
            token, engines.signer, prove=self._prove, kek_adopted=self._renew_probe, random_bytes=os.urandom
        )
        self._operations: dict[str, Callable[..., Any]] = {
            **custody.operations,
            Operation.SIGN: self.sign,
            Operation.GENERATE_COMPOSITE: self.generate_composite,
            Operation.GENERATE_ECDSA: self.generate_ecdsa,
            Operation.GENERATE_ED25519: self.generate_ed25519,
            Operation.GENERATE_MLDSA: self.generate_mldsa,
            Operation.DESTROY: self.destroy,
            Operation.PROBE: self.probe,
        }
        self._kinds: dict[str, Callable[..., bytes]] = {
            SignKind.COMPOSITE: self._sign_composite,
            SignKind.ML_DSA: self._sign_mldsa,
            SignKind.ML_DSA_MU: self._sign_mldsa_mu,
            SignKind.ECDSA: self._sign_ecdsa,
            SignKind.ED25519: self._sign_ed25519,
        }

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        """Raises HsmError; TokenLost means that this process must end."""
        if operation in _CHANGES_THE_TOKEN:
            self._token.look_again()
        return self._operations[operation](*arguments)

    def forget(self) -> None:
        """Drops opened keys that may not stay; called after every drain."""
        self._opened.forget()

    def sign(self, items: list[list[Any]]) -> list[Any]:
        """Each item [SignKind, material, ...]; each answer the signature or [error code, message]."""
        answers: list[Any] = []
        for kind, material, *arguments in items:
            try:
                answers.append(self._kinds[kind](material, *arguments))
            except TokenLost:
                raise
            except HsmError as error:
                answers.append([error.code, str(error)])
        return answers

    def generate_composite(
        self, algorithm_name: str, classical_id: bytes, post_quantum_id: bytes, key_binding: bytes
    ) -> bytes:
        """The new material, after both halves have made a signature that verifies."""
        algorithm = algorithm_by_name(algorithm_name)
        material = self._generator.composite(
            algorithm, classical_id=classical_id, post_quantum_id=post_quantum_id, key_binding=key_binding
        ).to_bytes()
        self._sign_composite(material, prehash(algorithm, _SELF_TEST), b"", key_binding)
        return material

    def generate_ecdsa(self, curve: str, cka_id: bytes) -> bytes:
        material = self._generator.ecdsa(EcCurve(curve), cka_id=cka_id).to_bytes()
        self._sign_ecdsa(material, bytes(EcCurve(curve).coordinate_size))
        return material

    def generate_ed25519(self, cka_id: bytes) -> bytes:
        material = self._generator.ed25519(cka_id=cka_id).to_bytes()
        self._sign_ed25519(material, _SELF_TEST)
        return material

    def generate_mldsa(self, parameter_set: str, cka_id: bytes, key_binding: bytes) -> bytes:
        """`cka_id` is used only for a key inside the token."""
        material = self._generator.ml_dsa(
            MlDsaParameterSet(parameter_set), cka_id=cka_id, key_binding=key_binding
        ).to_bytes()
        self._sign_mldsa(material, _SELF_TEST, b"", key_binding)
        return material

    def destroy(self, cka_ids: list[bytes]) -> None:
        self._opened.clear()
        for cka_id in cka_ids:
            self._token.destroy(cka_id)

    def probe(self) -> None:
        """Signs with a key of this process's own, after the token has opened its own seal. Raises HsmError."""
        self._token.check_alive()
        self._sign_mldsa(self._probe_material, _SELF_TEST, b"", self._probe_binding)

    def _prove(self, material: KeyMaterial, key_binding: bytes) -> None:
        """A new key signs, and the signature verifies. Raises HsmError."""
        kind, *arguments = to_item(self_test_request(material, key_binding))
        self._kinds[str(kind)](*arguments)

    def _renew_probe(self) -> None:
        """A key of this process alone, never stored: made at start, so that start itself is a self-test."""
        binding = os.urandom(CKA_ID_SIZE)
        key = self._generator.ml_dsa(
            MlDsaParameterSet.ML_DSA_44, cka_id=os.urandom(CKA_ID_SIZE), key_binding=binding, stored=False
        )
        material = key.to_bytes()
        self._sign_mldsa(material, _SELF_TEST, b"", binding)
        self._probe_material, self._probe_binding = material, binding

    def _sign_composite(self, encoded: bytes, digest: bytes, context: bytes, key_binding: bytes) -> bytes:
        material = _decode(encoded, CompositeKeyMaterial)
        cka_id = material.classical.cka_id
        return signing.sign_composite(
            _parse_public_key(material.algorithm.name, material.public_key),
            ml_dsa_key=self._opened.open(material, key_binding, self._engines.signer),
            sign_digest=lambda hashed: self._token.sign_digest(cka_id, hashed, label=COMPONENT_LABEL),
            verifier=self._engines.verifier,
            digest=digest,
            context=context,
        )

    def _sign_mldsa(self, encoded: bytes, message: bytes, context: bytes, key_binding: bytes) -> bytes:
        material = _decode(encoded, MlDsaKeyMaterial)
        return signing.sign_ml_dsa(
            self._opened.open(material, key_binding, self._engines.signer),
            verifier=self._engines.verifier,
            parameter_set=material.parameter_set,
            public_key=material.public_key,
            message=message,
            context=context,
        )

    def _sign_mldsa_mu(self, encoded: bytes, mu: bytes, key_binding: bytes) -> bytes:
        material = _decode(encoded, MlDsaKeyMaterial)
        if isinstance(material.post_quantum, TokenKey):
            raise UnsupportedAlgorithm(signing.NO_MU_IN_TOKENS)
        return signing.sign_ml_dsa_mu(
            self._opened.open(material, key_binding, self._engines.mu_signer),
            verifier=self._engines.mu_verifier,
            parameter_set=material.parameter_set,
            public_key=material.public_key,
            mu=mu,
        )

    def _sign_ecdsa(self, encoded: bytes, digest: bytes) -> bytes:
        material = _decode(encoded, EcdsaKeyMaterial)
        raw = self._token.sign_digest(material.classical.cka_id, digest, label=ECDSA_LABEL)
        return signing.release_ecdsa(material.curve, material.public_key, raw=raw, digest=digest)

    def _sign_ed25519(self, encoded: bytes, message: bytes) -> bytes:
        material = _decode(encoded, Ed25519KeyMaterial)
        signature = self._token.sign_ed25519(material.classical.cka_id, message)
        signing.check_ed25519(material.public_key, signature=signature, message=message)
        return signature


def _decode(encoded: bytes, kind: type[M]) -> M:
    """Raises InvalidRequest for material of another kind."""
    material = _parse_material(encoded)
    if not isinstance(material, kind):
        raise InvalidRequest(f"the key material is not a {kind.__name__}")
    return material


@lru_cache(maxsize=256)
def _parse_material(encoded: bytes) -> KeyMaterial:
    return material_from_bytes(encoded)


@lru_cache(maxsize=256)
def _parse_public_key(algorithm: str, public_key: bytes) -> CompositePublicKey:
    return CompositePublicKey.from_bytes(algorithm_by_name(algorithm), public_key)
