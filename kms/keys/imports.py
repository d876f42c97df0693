"""Use case of imports: a private key that was made elsewhere becomes the first version of a new key.

Hop by hop: (1) read transaction: seen this request_id? is the name free? (2) no transaction: a signer process opens the
envelope, the key makes a signature that verifies (or opens an envelope), and its public key is compared with the one
the caller named; (3) write transaction: the key, its log entry, the answer for replays. What fails after (2) is taken
out of the token again.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from hallmark_envelope import exported_name
from hsm.errors import HsmError
from hsm.material import HpkeKeyMaterial, KeyMaterial
from kms.core.canonical import Json
from kms.core.errors import InvalidArgument, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.keys.algorithms import KeyAlgorithm
from kms.keys.creation import creation_facts, creation_record
from kms.keys.generation import MadeVersion, transfer_of
from kms.keys.hsm_errors import to_service_error
from kms.keys.model import (
    Key,
    KeyAnswer,
    KeyOrigin,
    KeyPurpose,
    KeyVersion,
    KeyVersionState,
    key_binding,
)
from kms.keys.policies import KeySettings
from kms.keys.service import KeyService, new_key
from kms.keys.wrapping import WrappingKeys
from kms.log.model import LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyImport:
    """What a caller brings. `exported_as`: name of the version at the service that sealed it; empty: its owner did.

    `public_key`: raw. What the envelope holds must be its private key.
    """

    name: KeyName
    algorithm: KeyAlgorithm
    purpose: KeyPurpose
    wrapping_key: KeyVersionName
    envelope: bytes
    public_key: bytes
    exported_as: str
    labels: dict[str, str]
    settings: KeySettings

    @property
    def version_name(self) -> KeyVersionName:
        return KeyVersionName(self.name.tenant, self.name.key, 1)


@dataclass(frozen=True, slots=True)
class ImportService:
    keys: KeyService
    wrapping: WrappingKeys

    async def import_key(
        self, wanted: KeyImport, *, request: RequestKey, now: datetime, published: bool
    ) -> tuple[Key, LogPromise, bool]:
        """The key, its promise, and whether this is a replay.

        Raises AlreadyExists/KEY_EXISTS, InvalidArgument (ENVELOPE_INVALID, IMPORT_REFUSED), FailedPrecondition
        (ALGORITHM_UNSUPPORTED: the token takes no such key, or lets none go).
        """
        keys = self.keys
        earlier = await keys.database.read(lambda tx: keys.earlier_or_new(tx, request, wanted.name))
        if earlier is not None:
            return await keys.answered(earlier, published=published, replayed=True)
        made = await self._bring_in(wanted, now)
        key = new_key(wanted.purpose, made.version, wanted.labels, wanted.settings, now)

        def commit(tx: Connection) -> tuple[KeyAnswer, bool]:
            return keys.journal.once(tx, request, now, lambda: keys.insert(tx, key, "key.imported", made, now))

        answer, replayed = await keys.generator.commit(commit, made.version)
        return await keys.answered(answer, published=published, replayed=replayed)

    async def _bring_in(self, wanted: KeyImport, now: datetime) -> MadeVersion:
        opener = await self.wrapping.named(wanted.wrapping_key)
        try:
            capabilities = await self.keys.provider.capabilities()
            material = await self._open(wanted, opener)
        except HsmError as error:
            raise to_service_error(error) from error
        version = KeyVersion(
            name=wanted.version_name,
            algorithm=wanted.algorithm,
            state=KeyVersionState.ACTIVE,
            material=material,
            public_bytes=material.public_key,
            create_time=now,
            activate_time=now,
            origin=KeyOrigin.IMPORTED,
            exportable=wanted.settings.may_leave,
        )
        if not hmac.compare_digest(material.public_key, wanted.public_key):
            await self.keys.generator.discard(version)
            raise InvalidArgument(
                Reason.IMPORT_REFUSED,
                "the private key in the envelope belongs to another public key than the one given",
                field="public_key",
            )
        more: dict[str, Json] = {
            "wrapping_key": str(wanted.wrapping_key),
            "envelope_sha256": hashlib.sha256(wanted.envelope).hexdigest(),
            "exported_as": wanted.exported_as,
        }
        record = {**creation_record(version, capabilities), **more}
        return MadeVersion(version, record, creation_facts(capabilities))

    async def _open(self, wanted: KeyImport, opener: KeyVersion) -> KeyMaterial:
        """It has signed, and the signature verified, or opened an envelope, before this returns (hsm.custody)."""
        import_key = opener.usable_material
        assert isinstance(import_key, HpkeKeyMaterial), "purpose IMPORT means an HPKE algorithm"
        return await self.keys.provider.import_key(
            import_key,
            envelope=wanted.envelope,
            algorithm=transfer_of(wanted.algorithm),
            key_name=str(wanted.version_name),
            import_key_binding=key_binding(opener.name, KeyPurpose.IMPORT),
            key_binding=key_binding(wanted.version_name, wanted.purpose),
            exportable=wanted.settings.may_leave,
            exported_as=exported_name(wanted.exported_as, wanted.purpose.value) if wanted.exported_as else "",
        )
