"""New keys: which half is made where, and the material that describes the whole.

A key that fails in the middle leaves at most an unreachable private half in the token; the service then has it
removed by its CKA_ID.
"""

import os
from collections.abc import Callable
from typing import Final

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet
from hallmark_composite.encoding import join_public_key
from hsm.engine import PostQuantumEngine
from hsm.material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    MlDsaHalf,
    MlDsaKeyMaterial,
    TokenKey,
)
from hsm.sealing import COMPONENT_LABEL, ECDSA_LABEL, associated_data, native_label

from . import native
from .token import TokenSession

_SEED_SIZE: Final = 32


class KeyGenerator:
    """`native_sets`: the parameter sets whose keys are made inside the token."""

    def __init__(
        self, token: TokenSession, engine: PostQuantumEngine, native_sets: frozenset[MlDsaParameterSet]
    ) -> None:
        self._token = token
        self._engine = engine
        self._native_sets = native_sets

    def composite(
        self, algorithm: CompositeAlgorithm, *, classical_id: bytes, post_quantum_id: bytes, key_binding: bytes
    ) -> CompositeKeyMaterial:
        """`post_quantum_id` is used only for a native half."""
        point = self._token.generate_ec(algorithm.curve, classical_id, label=COMPONENT_LABEL)
        public_key, half = self._ml_dsa_half(
            algorithm.ml_dsa,
            name=algorithm.name,
            whole=lambda ml_dsa: join_public_key(algorithm, ml_dsa=ml_dsa, ec_point=point),
            cka_id=post_quantum_id,
            key_binding=key_binding,
        )
        return CompositeKeyMaterial(
            algorithm=algorithm, public_key=public_key, classical=TokenKey(classical_id), post_quantum=half
        )

    def ml_dsa(
        self, parameter_set: MlDsaParameterSet, *, cka_id: bytes, key_binding: bytes, stored: bool = True
    ) -> MlDsaKeyMaterial:
        """Not stored: for a self-test only, gone with the session."""
        public_key, half = self._ml_dsa_half(
            parameter_set,
            name=parameter_set.value,
            whole=lambda ml_dsa: ml_dsa,
            cka_id=cka_id,
            key_binding=key_binding,
            stored=stored,
        )
        return MlDsaKeyMaterial(parameter_set=parameter_set, public_key=public_key, post_quantum=half)

    def ecdsa(self, curve: EcCurve, *, cka_id: bytes) -> EcdsaKeyMaterial:
        point = self._token.generate_ec(curve, cka_id, label=ECDSA_LABEL)
        return EcdsaKeyMaterial(curve=curve, public_key=point, classical=TokenKey(cka_id))

    def ed25519(self, *, cka_id: bytes) -> Ed25519KeyMaterial:
        public_key = self._token.generate_ed25519(cka_id)
        return Ed25519KeyMaterial(public_key=public_key, classical=TokenKey(cka_id))

    def _ml_dsa_half(
        self,
        parameter_set: MlDsaParameterSet,
        *,
        name: str,
        whole: Callable[[bytes], bytes],
        cka_id: bytes,
        key_binding: bytes,
        stored: bool = True,
    ) -> tuple[bytes, MlDsaHalf]:
        """(public key of the whole, where the private half is). `whole` makes the one from the ML-DSA public key."""
        if parameter_set in self._native_sets:
            label = native_label(algorithm=name, key_binding=key_binding)
            ml_dsa = native.generate(self._token, parameter_set, cka_id=cka_id, label=label, stored=stored)
            return whole(ml_dsa), TokenKey(cka_id)
        seed = os.urandom(_SEED_SIZE)
        public_key = whole(self._engine.load(parameter_set, seed).public_key)
        aad = associated_data(kek_id=self._token.kek_id, algorithm=name, public_key=public_key, key_binding=key_binding)
        return public_key, self._token.seal(seed, aad)
