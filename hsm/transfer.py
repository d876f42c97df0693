"""Keys that come from elsewhere or may go elsewhere, always sealed on the way. The promises: custody.py.

Runs where secrets may be in the clear: in the signer processes of hsm.pkcs11, and in the provider in memory.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet
from hallmark_composite.encoding import join_public_key
from hallmark_envelope import (
    SEED_SIZE,
    EnvelopeError,
    HpkeKem,
    TransferAlgorithm,
    export_info,
    import_info,
    seal_envelope,
)

from . import foreign_keys, hpke
from .custody import ExportPermit
from .errors import ExportForbidden, InvalidRequest, UnsupportedAlgorithm
from .foreign_keys import ClearKey, ExpandSeed
from .key_targets import (
    ClassicalKind,
    Target,
    classical_kind,
    classical_label,
    classical_public_key,
    target_of,
    target_of_material,
    transfer_algorithm,
)
from .material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    HpkeKeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    TokenKey,
)
from .secret import Secret
from .seed_vault import SeedVault

Prove = Callable[[KeyMaterial, bytes], None]
"""(material, key binding): makes a signature that verifies before release. Raises HsmError."""


class TransferToken(Protocol):
    """Private keys into and out of a token. Errors are hsm errors."""

    def generate_exportable(self, kind: ClassicalKind, cka_id: bytes, label: str) -> bytes:
        """Sensitive but extractable; gives the public key."""

    def put(self, kind: ClassicalKind, cka_id: bytes, label: str, secret: Secret, *, exportable: bool) -> None:
        """Raises UnsupportedAlgorithm when the token takes no foreign keys."""

    def extract(self, kind: ClassicalKind, cka_id: bytes, label: str) -> Secret:
        """Raises ExportForbidden when the key is not extractable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTransfer:
    """`cka_id` names the half the token will hold; the caller chose it, so that it can clean up after a failure."""

    token: TransferToken
    vault: SeedVault
    expand: ExpandSeed | None
    prove: Prove
    random_bytes: Callable[[int], bytes] = os.urandom

    def generate_exportable(self, algorithm: TransferAlgorithm, *, cka_id: bytes, key_binding: bytes) -> KeyMaterial:
        target = target_of(algorithm)
        kind, classical = classical_kind(target), None
        if kind is not None:
            classical = self.token.generate_exportable(kind, cka_id, classical_label(target))
            self._check_that_it_may_leave(kind, cka_id, classical_label(target))
        seed = Secret(self.random_bytes(SEED_SIZE))
        return self._keep(target, seed, classical, cka_id, key_binding, exportable=True)

    def import_key(
        self,
        import_key: HpkeKeyMaterial,
        *,
        envelope: bytes,
        algorithm: TransferAlgorithm,
        key_name: str,
        import_key_binding: bytes,
        key_binding: bytes,
        exportable: bool,
        exported_as: str = "",
        cka_id: bytes,
    ) -> KeyMaterial:
        """Raises EnvelopeInvalid, ImportRefused, UnsupportedAlgorithm, SealBroken."""
        target = target_of(algorithm)
        info = _info(export_info, algorithm, exported_as) if exported_as else _info(import_info, algorithm, key_name)
        encoded = hpke.open_envelope(
            self.vault, import_key, envelope=envelope, info=info, key_binding=import_key_binding
        )
        key = foreign_keys.parse(target, encoded, expand=self.expand)
        kind, classical = classical_kind(target), None
        if kind is not None:
            assert key.classical is not None
            classical = classical_public_key(kind, key.classical)
            self.token.put(kind, cka_id, classical_label(target), key.classical, exportable=exportable)
            if exportable:
                self._check_that_it_may_leave(kind, cka_id, classical_label(target))
        return self._keep(target, key.seed, classical, cka_id, key_binding, exportable=exportable)

    def export_key(self, material: KeyMaterial, *, permit: ExportPermit, key_binding: bytes) -> bytes:
        """Raises ExportForbidden, SealBroken, InvalidRequest for a recipient's key that is none."""
        if not hmac.compare_digest(hashlib.sha256(material.public_key).digest(), permit.public_key_sha256):
            raise ExportForbidden("the permit is for another key")
        target = target_of_material(material)
        info = _info(export_info, transfer_algorithm(target), permit.key_name)
        encoded = foreign_keys.encode(target, self._reveal(material, target, key_binding))
        try:
            return seal_envelope(permit.recipient_public_key, permit.recipient_kem, encoded, info=info)
        except EnvelopeError as error:
            raise InvalidRequest(f"the recipient's key: {error}") from None

    def _check_that_it_may_leave(self, kind: ClassicalKind, cka_id: bytes, label: str) -> None:
        """Now, not when the export is needed: tokens do not let every kind of key go."""
        try:
            self.token.extract(kind, cka_id, label)
        except ExportForbidden:
            name = kind.value if isinstance(kind, EcCurve) else kind
            raise UnsupportedAlgorithm(f"this token lets no {name} key go: make one that stays") from None

    def _reveal(self, material: KeyMaterial, target: Target, key_binding: bytes) -> ClearKey:
        seed = classical = None
        if isinstance(material, CompositeKeyMaterial | MlDsaKeyMaterial | HpkeKeyMaterial):
            half = material.post_quantum
            if isinstance(half, TokenKey) or not half.exportable:
                raise ExportForbidden("this key was not made to leave; make a new one that may")
            seed = Secret(self.vault.open(material, key_binding))
        if isinstance(material, CompositeKeyMaterial | EcdsaKeyMaterial | Ed25519KeyMaterial):
            kind = classical_kind(target)
            assert kind is not None
            classical = self.token.extract(kind, material.classical.cka_id, classical_label(target))
            if not material.public_key.endswith(classical_public_key(kind, classical)):
                raise ExportForbidden("the token holds another key than the one asked for")
        return ClearKey(seed=seed, classical=classical)

    def _keep(
        self,
        target: Target,
        seed: Secret | None,
        classical: bytes | None,
        cka_id: bytes,
        key_binding: bytes,
        *,
        exportable: bool,
    ) -> KeyMaterial:
        """The material of a key whose classical half is in the token already; it was seen to work."""
        if isinstance(target, HpkeKem):
            assert seed is not None
            return hpke.keep_hpke(self.vault, target, seed, key_binding, exportable=exportable)
        material: KeyMaterial
        if isinstance(target, CompositeAlgorithm | MlDsaParameterSet):
            assert seed is not None
            material = self._keep_seed(target, seed, classical, cka_id, key_binding, exportable=exportable)
        elif isinstance(target, EcCurve):
            assert classical is not None
            material = EcdsaKeyMaterial(curve=target, public_key=classical, classical=TokenKey(cka_id))
        else:
            assert classical is not None
            material = Ed25519KeyMaterial(public_key=classical, classical=TokenKey(cka_id))
        self.prove(material, key_binding)
        return material

    def _keep_seed(
        self,
        target: CompositeAlgorithm | MlDsaParameterSet,
        seed: Secret,
        classical: bytes | None,
        cka_id: bytes,
        key_binding: bytes,
        *,
        exportable: bool,
    ) -> CompositeKeyMaterial | MlDsaKeyMaterial:
        public_key = self.vault.public_key(target, seed.reveal())
        if isinstance(target, CompositeAlgorithm):
            assert classical is not None
            public_key = join_public_key(target, ml_dsa=public_key, ec_point=classical)
        half = self.vault.seal(
            seed.reveal(), target=target, public_key=public_key, key_binding=key_binding, exportable=exportable
        )
        if isinstance(target, MlDsaParameterSet):
            return MlDsaKeyMaterial(parameter_set=target, public_key=public_key, post_quantum=half)
        return CompositeKeyMaterial(
            algorithm=target, public_key=public_key, classical=TokenKey(cka_id), post_quantum=half
        )


def _info(make: Callable[..., bytes], algorithm: TransferAlgorithm, key_name: str) -> bytes:
    try:
        return make(algorithm=algorithm, key_name=key_name)
    except EnvelopeError as error:
        raise InvalidRequest(str(error)) from None
