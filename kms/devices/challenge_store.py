"""The table of challenges; nobody else touches it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime, metadata
from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.names import ChildName
from kms.devices.model import Challenge, ChallengePurpose, MadeCredential

_challenge = sa.Table(
    "attestation_challenge",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("caller", sa.String(512), nullable=False),
    sa.Column("value", sa.LargeBinary(32), nullable=False),
    sa.Column("expire_time", UtcTime, nullable=False, index=True),
    sa.Column("consumed_by", sa.LargeBinary(32)),
    sa.Column("purpose", sa.String(16), nullable=False, server_default=ChallengePurpose.FIRST_BOOT.value),
    sa.Column("key_spki", sa.LargeBinary),
    sa.Column("tpm_ak_name", sa.LargeBinary),
    sa.Column("tpm_ek_spki", sa.LargeBinary),
    sa.Column("tpm_credential_sha256", sa.LargeBinary(32)),
)


def insert_challenge(tx: Connection, challenge: Challenge, *, caller: str) -> None:
    name, made = challenge.name, challenge.made
    tx.execute(
        _challenge.insert().values(
            tenant=name.tenant,
            id=name.id,
            caller=caller,
            value=challenge.value,
            expire_time=challenge.expire_time,
            purpose=challenge.purpose,
            key_spki=challenge.key_spki,
            tpm_ak_name=None if made is None else made.ak_name,
            tpm_ek_spki=None if made is None else made.ek_spki,
            tpm_credential_sha256=None if made is None else made.sha256,
        )
    )


def consume_challenge(tx: Connection, name: ChildName, *, caller: str, attempt: bytes, now: datetime) -> Challenge:
    """The challenge, once. `attempt` (the fingerprint of the call) may come back: when the server died between
    this and the verdict, the retry of the same call goes on with the challenge it consumed.

    Raises not-found (also for another caller's), FailedPrecondition/CHALLENGE_USED or CHALLENGE_EXPIRED.
    """
    mine = sa.and_(_challenge.c.tenant == name.tenant, _challenge.c.id == name.id, _challenge.c.caller == caller)
    usable = sa.or_(_challenge.c.consumed_by.is_(None), _challenge.c.consumed_by == attempt)
    consumed = tx.execute(
        _challenge.update().where(mine, usable, _challenge.c.expire_time > now).values(consumed_by=attempt)
    )
    row = tx.execute(sa.select(_challenge).where(mine)).first()
    if row is None:
        raise not_found(str(name))
    if consumed.rowcount == 1:
        return Challenge(
            name=name,
            value=row.value,
            expire_time=row.expire_time,
            purpose=ChallengePurpose(row.purpose),
            key_spki=row.key_spki,
            made=_made(row),
        )
    if row.consumed_by not in {None, attempt}:
        raise FailedPrecondition(
            Reason.CHALLENGE_USED, "this challenge was used already; ask for a new one", resource=str(name)
        )
    raise FailedPrecondition(
        Reason.CHALLENGE_EXPIRED, "this challenge has expired; ask for a new one", resource=str(name)
    )


def purge_challenges(tx: Connection, *, expired_before: datetime) -> int:
    """Forgets old challenges; returns how many."""
    return tx.execute(_challenge.delete().where(_challenge.c.expire_time < expired_before)).rowcount


def _made(row: sa.Row[Any]) -> MadeCredential | None:
    if row.tpm_ak_name is None:
        return None
    return MadeCredential(ak_name=row.tpm_ak_name, ek_spki=row.tpm_ek_spki, sha256=row.tpm_credential_sha256)
