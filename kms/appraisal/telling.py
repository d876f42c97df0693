"""How a change of the policy in force is told: policy-changed, to everybody of the tenant."""

from datetime import datetime
from typing import Final

from kms.appraisal.model import PolicyName
from kms.core.canonical import Json
from kms.events.appending import Events
from kms.events.model import GLOBAL, Draft, InitiatingEntity, Priority, SignedEvent, Status

POLICY_CHANGED: Final = "tag:hallmark.local,2026:secevent/odai/event-type/policy-changed"


async def sign_activation(events: Events, name: PolicyName, policy_sha256: str, now: datetime) -> SignedEvent:
    """Own members: {"change": "activated", "policy_sha256": hex, as verdicts name it}. Raises what the HSM raises."""
    own: dict[str, Json] = {"change": "activated", "policy_sha256": policy_sha256}
    draft = Draft(
        id=events.new_id(now),
        tenant=name.tenant,
        uri=POLICY_CHANGED,
        subject=str(name),
        revision=await events.next_revision(name.tenant, GLOBAL, str(name)),
        status=Status.VALID,
        event_time=now,
        effective_time=now,
        initiating_entity=InitiatingEntity.ADMIN,
        priority=Priority.INFORMATION,
        own=own,
    )
    return await events.sign(draft, now)
