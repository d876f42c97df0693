"""How a change of trust anchors is told: trust-root-changed, to everybody of the tenant."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from kms.collateral.anchors import AnchorName
from kms.events.appending import Events
from kms.events.model import GLOBAL, Draft, InitiatingEntity, Priority, SignedEvent, Status

TRUST_ROOT_CHANGED: Final = "tag:hallmark.local,2026:secevent/odai/event-type/trust-root-changed"


class AnchorChange(StrEnum):
    """A removed anchor may come back, a revoked one never does."""

    ADDED = "added"
    REMOVED = "removed"
    REVOKED = "revoked"


async def sign_change(events: Events, name: AnchorName, change: AnchorChange, now: datetime) -> SignedEvent:
    """ADDED or REMOVED. Own members: {"change", "spki_sha256": hex}. Raises what the HSM raises."""
    added = change is AnchorChange.ADDED
    draft = Draft(
        id=events.new_id(now),
        tenant=name.tenant,
        uri=TRUST_ROOT_CHANGED,
        subject=str(name),
        revision=await events.next_revision(name.tenant, GLOBAL, str(name)),
        status=Status.VALID if added else Status.SUSPENDED,
        event_time=now,
        effective_time=now,
        initiating_entity=InitiatingEntity.ADMIN,
        priority=Priority.INFORMATION if added else Priority.URGENT,
        own={"change": change.value, "spki_sha256": name.spki_sha256},
    )
    return await events.sign(draft, now)
