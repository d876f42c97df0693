"""The manifest that readers see now, believed only when our own key signed it: whoever can write one public file must
not be able to stop the service, or to make it begin a new history.
"""

from dataclasses import dataclass

from hallmark_composite import CompositePublicKey
from hallmark_events.errors import EventsError
from hallmark_events.manifest import Manifest, parse_manifest_signature, sha256_hex
from hallmark_events.trust import check_signature
from hallmark_events.types import MANIFEST_CONTEXT
from kms.core.names import KeyName
from kms.events.appending import Events
from kms.events.model import SIGNING_KEY_ID
from kms.keys import store as key_store
from kms.keys.model import SYSTEM_TENANT
from kms.public.files import PublicFiles
from kms.status.model import folder, set_path


@dataclass(frozen=True, slots=True)
class ShownManifests:
    """Reads them from the public files."""

    events: Events
    files: PublicFiles

    async def find(self, tenant: str) -> Manifest | None:
        """None for nothing, or for bytes that are not ours."""
        data = await self.files.read(f"{folder(tenant)}manifest.json")
        signature = None if data is None else await self.files.read(set_path(tenant, f"{sha256_hex(data)}.sig"))
        if data is None or signature is None:
            return None
        try:
            found = Manifest.parse(data)
            check_signature(data, parse_manifest_signature(signature), await self._keys(), context=MANIFEST_CONTEXT)
        except EventsError:
            return None
        return found if (found.tenant, found.issuer) == (tenant, self.events.issuer) else None

    async def _keys(self) -> dict[str, CompositePublicKey]:
        name = KeyName(SYSTEM_TENANT, SIGNING_KEY_ID)
        key = await self.events.database.read(lambda tx: key_store.find_key(tx, name))
        return {} if key is None else {str(version.name): version.public_key for version in key.versions}
