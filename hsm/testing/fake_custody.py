"""The port of hsm/custody.py in memory: the same rules as in the signer processes, over FakeToken."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_composite import EcCurve
from hallmark_envelope import SEED_SIZE, HpkeKem, TransferAlgorithm
from hsm import custody_requests as checks
from hsm import hpke
from hsm.custody import ExportPermit, KekFact
from hsm.engine import PostQuantumEngine
from hsm.engines.expansion import find_expand_seed
from hsm.errors import ExportForbidden, InvalidRequest
from hsm.key_targets import CURVES, ClassicalKind
from hsm.material import CKA_ID_SIZE, HpkeKeyMaterial, KeyMaterial, SealedSeed, TokenKey
from hsm.requests import check_binding
from hsm.secret import Secret
from hsm.seed_vault import SeedVault
from hsm.self_test import self_test_request
from hsm.transfer import KeyTransfer

from .fake_signer import FakeSigner
from .fake_token import FakeToken, PrivateKey
from .operation import Operation

Material = TypeVar("Material", bound=KeyMaterial)


class _CustodyToken:
    """FakeToken as seed_vault.SealingToken and transfer.TransferToken."""

    def __init__(self, token: FakeToken) -> None:
        self._token = token

    @property
    def kek_id(self) -> bytes:
        return self._token.kek_id

    def seal(self, seed: bytes, aad: bytes) -> SealedSeed:
        return self._token.seal_bytes(seed, aad)

    def unseal(self, seal: SealedSeed, aad: bytes) -> bytes:
        return self._token.unseal_bytes(seal, aad)

    def generate_exportable(self, kind: ClassicalKind, cka_id: bytes, label: str) -> bytes:
        self._token.exportable.add(cka_id)
        if isinstance(kind, EcCurve):
            private_key = ec.generate_private_key(CURVES[kind])
            self._token.keep(private_key, label, cka_id)
            return private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        edwards = ed25519.Ed25519PrivateKey.generate()
        self._token.keep(edwards, label, cka_id)
        return edwards.public_key().public_bytes_raw()

    def put(self, kind: ClassicalKind, cka_id: bytes, label: str, secret: Secret, *, exportable: bool) -> None:
        private_key: PrivateKey
        if isinstance(kind, EcCurve):
            private_key = ec.derive_private_key(int.from_bytes(secret.reveal(), "big"), CURVES[kind])
        else:
            private_key = ed25519.Ed25519PrivateKey.from_private_bytes(secret.reveal())
        self._token.keep(private_key, label, cka_id)
        if exportable:
            self._token.exportable.add(cka_id)

    def extract(self, kind: ClassicalKind, cka_id: bytes, label: str) -> Secret:
        if isinstance(kind, EcCurve):
            scalar = self._token.find(TokenKey(cka_id), label, ec.EllipticCurvePrivateKey).private_numbers()
            secret = scalar.private_value.to_bytes(kind.coordinate_size, "big")
        else:
            secret = self._token.find(TokenKey(cka_id), label, ed25519.Ed25519PrivateKey).private_bytes_raw()
        if cka_id not in self._token.exportable:
            raise ExportForbidden("the token's half of this key is not extractable")
        return Secret(secret)


class FakeCustody(ABC):
    """Second half of FakeKeyProvider."""

    _random_bytes: Callable[[int], bytes]
    _engine: PostQuantumEngine
    _token: FakeToken
    _signer: FakeSigner

    @abstractmethod
    def _enter(self, operation: Operation) -> None:
        """Checks that the provider runs, and fails when it was told to."""

    async def generate_hpke(self, kem: HpkeKem, *, key_binding: bytes) -> HpkeKeyMaterial:
        self._enter(Operation.GENERATE)
        check_binding(key_binding)
        seed = Secret(self._random_bytes(SEED_SIZE))
        return hpke.keep_hpke(self._transfer.vault, kem, seed, key_binding)

    async def open_envelope(
        self, material: HpkeKeyMaterial, *, envelope: bytes, info: bytes, key_binding: bytes
    ) -> bytes:
        self._enter(Operation.OPEN)
        check_binding(key_binding)
        checks.check_envelope(envelope, info)
        return hpke.open_envelope(self._transfer.vault, material, envelope=envelope, info=info, key_binding=key_binding)

    async def list_keks(self) -> tuple[KekFact, ...]:
        self._enter(Operation.KEK)
        return tuple(
            KekFact(kek_id=kek_id, generation=generation, newest=kek_id == self._token.kek_id)
            for kek_id, generation in self._token.generations.items()
        )

    async def create_kek(self) -> KekFact:
        self._enter(Operation.KEK)
        token = self._token
        kek_id, generation = self._random_bytes(CKA_ID_SIZE), token.generations[token.kek_id] + 1
        token.keks[kek_id] = AESGCM(self._random_bytes(32))
        token.generations[kek_id] = generation
        token.kek_id = kek_id
        return KekFact(kek_id=kek_id, generation=generation, newest=True)

    async def rewrap(self, material: Material, *, key_binding: bytes) -> Material:
        self._enter(Operation.KEK)
        check_binding(key_binding)
        return self._transfer.vault.rewrap(material, key_binding)

    async def destroy_kek(self, kek_id: bytes) -> None:
        self._enter(Operation.KEK)
        if kek_id == self._token.kek_id:
            raise InvalidRequest(checks.NEWEST_KEK_STAYS)
        self._token.keks.pop(kek_id, None)
        self._token.generations.pop(kek_id, None)

    async def generate_exportable(self, algorithm: TransferAlgorithm, *, key_binding: bytes) -> KeyMaterial:
        self._enter(Operation.GENERATE)
        check_binding(key_binding)
        cka_id = self._random_bytes(CKA_ID_SIZE)
        return self._transfer.generate_exportable(algorithm, cka_id=cka_id, key_binding=key_binding)

    async def import_key(
        self,
        import_key: HpkeKeyMaterial,
        *,
        envelope: bytes,
        algorithm: TransferAlgorithm,
        key_name: str,
        import_key_binding: bytes,
        key_binding: bytes,
        exportable: bool = False,
        exported_as: str = "",
    ) -> KeyMaterial:
        self._enter(Operation.TRANSFER)
        check_binding(key_binding)
        check_binding(import_key_binding)
        checks.check_envelope(envelope, b"")
        return self._transfer.import_key(
            import_key,
            envelope=envelope,
            algorithm=algorithm,
            key_name=key_name,
            import_key_binding=import_key_binding,
            key_binding=key_binding,
            exportable=exportable,
            exported_as=exported_as,
            cka_id=self._random_bytes(CKA_ID_SIZE),
        )

    async def export_key(self, material: KeyMaterial, *, permit: ExportPermit, key_binding: bytes) -> bytes:
        self._enter(Operation.TRANSFER)
        check_binding(key_binding)
        return self._transfer.export_key(material, permit=permit, key_binding=key_binding)

    async def read_data(self, name: str) -> tuple[bytes, ...]:
        self._enter(Operation.DATA)
        checks.check_data_name(name)
        return (self._token.data[name],) if name in self._token.data else ()

    async def write_data(self, name: str, value: bytes) -> None:
        self._enter(Operation.DATA)
        checks.check_data(name, value)
        self._token.data[name] = value

    @property
    def _transfer(self) -> KeyTransfer:
        token = _CustodyToken(self._token)
        return KeyTransfer(
            token=token,
            vault=SeedVault(token, self._engine),
            expand=find_expand_seed(),
            prove=self._prove,
            random_bytes=self._random_bytes,
        )

    def _prove(self, material: KeyMaterial, key_binding: bytes) -> None:
        self._signer.sign(self_test_request(material, key_binding))
