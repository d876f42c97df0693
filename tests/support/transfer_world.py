"""Imports and exports below gRPC: the real services, real approvals, keys in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hallmark.v1 import approvals_pb2
from hallmark_envelope import EnvelopePrivateKey, HpkeKem, export_info, exported_name, import_info, seal_envelope
from kms.app.approvals import KeyApprovals
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName
from kms.envelopes.model import SIGNING_KEY_ID
from kms.keys.algorithms import DEFAULT, HPKE_DEFAULT
from kms.keys.exports import ExportedKey, ExportService, Recipient
from kms.keys.generation import transfer_of
from kms.keys.imports import ImportService, KeyImport
from kms.keys.model import Key, KeyPurpose
from kms.keys.policies import ExportPolicy, KeySettings
from kms.keys.service import KeyService
from kms.keys.wrapping import WrappingKeys
from support.envelopes_world import EnvelopesWorld, envelopes_world
from support.randomness import SeededRandomness

SEED = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(range(32)))
OFFLINE = Recipient(HPKE_DEFAULT, SEED.public_key)
MAY_LEAVE = KeySettings(export_policy=ExportPolicy.WRAPPED)


@dataclass
class TransferWorld:
    envelopes: EnvelopesWorld
    keys: KeyService
    wrapping: WrappingKeys
    exports: ExportService

    @property
    def now(self) -> Any:
        return self.envelopes.clock.now()

    def request(self) -> RequestKey:
        return self.envelopes.keys.request(b"body")

    def another(self, database: Any) -> tuple[ImportService, ExportService]:
        """A replica on this database."""
        base = self.envelopes.keys
        gate = self.keys.gate
        keys = KeyService(database, base.world.provider, base.keys.log, SeededRandomness(31), gate)
        return ImportService(keys, self.wrapping), ExportService(keys)

    async def movable(self, key_id: str = "movable", **more: Any) -> Key:
        return await self.envelopes.keys.create(key_id, **{"algorithm": DEFAULT, "settings": MAY_LEAVE, **more})

    async def approved(self, key: Key, recipient: Recipient = OFFLINE) -> str:
        made = await self.envelopes.approvals.propose(
            act=approvals_pb2.PROPOSED_ACT_EXPORT,
            subject=str(key.versions[0].name),
            parameters_sha256=recipient.sha256,
        )
        await self.envelopes.approvals.approve(made, "bob")
        return made.name

    async def export(self, key: Key, proposal: str, exports: ExportService | None = None, **more: Any) -> ExportedKey:
        exported, _ = await (exports or self.exports).export(
            key.versions[0].name,
            OFFLINE,
            proposal=proposal,
            **{"request": self.request(), "now": self.now, "published": False, **more},
        )
        return exported

    async def brought(self, key: Key, key_id: str = "imported", **changes: Any) -> KeyImport:
        """A request to import that very key under another name."""
        exported = await self.export(key, await self.approved(key))
        opener = (await self.wrapping.current(self.now)).version
        name, travels = KeyName("default", key_id), transfer_of(key.algorithm)
        from_here = KeyImport(
            **{
                "name": name,
                "algorithm": key.algorithm,
                "purpose": key.purpose,
                "wrapping_key": opener.name,
                "envelope": b"",
                "public_key": key.versions[0].public_bytes,
                "exported_as": "",
                "labels": {},
                "settings": KeySettings(),
                **changes,
            }
        )
        info = import_info(algorithm=travels, key_name=str(from_here.version_name))
        clear = SEED.open(exported.envelope, info=_export_info(key))
        envelope = seal_envelope(opener.public_bytes, HpkeKem.MLKEM1024_P384, clear, info=info)
        return from_here if from_here.envelope else replace(from_here, envelope=envelope)


def _export_info(key: Key) -> bytes:
    name = exported_name(str(key.versions[0].name), key.purpose.value)
    return export_info(algorithm=transfer_of(key.algorithm), key_name=name)


@asynccontextmanager
async def transfer_world(folder: Path) -> AsyncIterator[TransferWorld]:
    async with envelopes_world(folder) as envelopes:
        keys = envelopes.keys.keys
        keys.gate = KeyApprovals(envelopes.approvals.approvals)
        wrapping = WrappingKeys(keys, envelopes.keys.signing, SIGNING_KEY_ID)
        await wrapping.ensure(envelopes.clock.now())
        assert (await keys.get(KeyName("system", "import"))).purpose is KeyPurpose.IMPORT
        yield TransferWorld(envelopes, keys, wrapping, ExportService(keys))
