"""What a signer process does for hsm/custody.py. One method per operation of the wire, like signer.py."""

from collections.abc import Callable
from typing import Any

from hallmark_envelope import SEED_SIZE, HpkeKem, TransferAlgorithm
from hsm import hpke
from hsm.custody import ExportPermit
from hsm.engine import PostQuantumEngine
from hsm.engines.expansion import find_expand_seed
from hsm.material import HpkeKeyMaterial, KeyMaterial, material_from_bytes
from hsm.secret import Secret
from hsm.seed_vault import SeedVault
from hsm.transfer import KeyTransfer, Prove

from .custody_session import CustodySession
from .frames import Operation


class Custody:
    """`prove` makes a new key sign; `kek_adopted` is called when seals of this process are made anew."""

    def __init__(
        self,
        token: CustodySession,
        engine: PostQuantumEngine,
        *,
        prove: Prove,
        kek_adopted: Callable[[], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._token = token
        self._vault = SeedVault(token, engine)
        self._kek_adopted = kek_adopted
        self._random_bytes = random_bytes
        self._transfer = KeyTransfer(
            token=token, vault=self._vault, expand=find_expand_seed(), prove=prove, random_bytes=random_bytes
        )
        self.operations: dict[str, Callable[..., Any]] = {
            Operation.GENERATE_HPKE: self.generate_hpke,
            Operation.OPEN_ENVELOPE: self.open_envelope,
            Operation.LIST_KEKS: self.list_keks,
            Operation.CREATE_KEK: self.create_kek,
            Operation.ADOPT_KEK: self.adopt_kek,
            Operation.DESTROY_KEK: self.destroy_kek,
            Operation.REWRAP: self.rewrap,
            Operation.GENERATE_EXPORTABLE: self.generate_exportable,
            Operation.IMPORT_KEY: self.import_key,
            Operation.EXPORT_KEY: self.export_key,
            Operation.READ_DATA: token.read_data,
            Operation.WRITE_DATA: token.write_data,
        }

    def generate_hpke(self, kem: int, key_binding: bytes) -> bytes:
        seed = Secret(self._random_bytes(SEED_SIZE))
        return hpke.keep_hpke(self._vault, HpkeKem(kem), seed, key_binding).to_bytes()

    def open_envelope(self, material: bytes, envelope: bytes, info: bytes, key_binding: bytes) -> bytes:
        key = HpkeKeyMaterial.from_bytes(material)
        return hpke.open_envelope(self._vault, key, envelope=envelope, info=info, key_binding=key_binding)

    def list_keks(self) -> list[list[Any]]:
        """Each [generation, CKA_ID], oldest first."""
        return [list(kek) for kek in self._token.keks()]

    def create_kek(self) -> list[Any]:
        return list(self._token.create_kek())

    def adopt_kek(self) -> None:
        """Seals under the newest from now on."""
        if self._token.adopt_newest_kek():
            self._kek_adopted()

    def destroy_kek(self, kek_id: bytes) -> None:
        self._token.destroy_kek(kek_id)

    def rewrap(self, material: bytes, key_binding: bytes) -> bytes:
        key: KeyMaterial = material_from_bytes(material)
        return self._vault.rewrap(key, key_binding).to_bytes()

    def generate_exportable(self, algorithm: str, cka_id: bytes, key_binding: bytes) -> bytes:
        target = TransferAlgorithm(algorithm)
        return self._transfer.generate_exportable(target, cka_id=cka_id, key_binding=key_binding).to_bytes()

    def import_key(
        self,
        import_key: bytes,
        envelope: bytes,
        algorithm: str,
        key_name: str,
        import_key_binding: bytes,
        key_binding: bytes,
        exportable: bool,  # noqa: FBT001 - one of the frame's arguments
        exported_as: str,
        cka_id: bytes,
    ) -> bytes:
        return self._transfer.import_key(
            HpkeKeyMaterial.from_bytes(import_key),
            envelope=envelope,
            algorithm=TransferAlgorithm(algorithm),
            key_name=key_name,
            import_key_binding=import_key_binding,
            key_binding=key_binding,
            exportable=exportable,
            exported_as=exported_as,
            cka_id=cka_id,
        ).to_bytes()

    def export_key(self, material: bytes, permit: list[Any], key_binding: bytes) -> bytes:
        """The permit's fields in their order."""
        public_key_sha256, key_name, recipient_kem, recipient_public_key, approval = permit
        return self._transfer.export_key(
            material_from_bytes(material),
            permit=ExportPermit(
                public_key_sha256=public_key_sha256,
                key_name=key_name,
                recipient_kem=HpkeKem(recipient_kem),
                recipient_public_key=recipient_public_key,
                approval=approval,
            ),
            key_binding=key_binding,
        )
