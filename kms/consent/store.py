"""Reading and writing consents; leases are in lease_store.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from hsm.secret import Secret
from kms.consent.model import (
    RECEIPT_CONTEXT,
    Change,
    Consent,
    ConsentArtifact,
    ConsentState,
    LeaseTerms,
    Receipt,
)
from kms.consent.tables import consent, consent_change, consent_device, pseudonym_key
from kms.core.names import ChildName
from kms.events.store import insert_if_first
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What never changes."""

    controller: str
    purposes: tuple[str, ...]
    lawful_basis: str
    artifacts: tuple[ConsentArtifact, ...]
    removal_time: timedelta
    terms: LeaseTerms
    withdrawal_method: str
    storage_locations: tuple[str, ...]


_said = TypeAdapter(_Said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of a list; what is empty asks for nothing."""

    pii_principal_id: str = ""
    state: ConsentState | None = None
    device: ChildName | None = None


def ensure_pseudonym_key(tx: Connection, fresh: bytes) -> Secret:
    """The installation's key of pseudonyms; `fresh` (32 bytes) becomes it when there is none yet."""
    chosen = sa.select(pseudonym_key.c.key).where(pseudonym_key.c.id == 1)
    if tx.execute(chosen).first() is None:
        insert_if_first(tx, pseudonym_key.insert().values(id=1, key=fresh))
    return Secret(tx.execute(chosen).scalar_one())


def insert(tx: Connection, made: Consent) -> None:
    name = made.name
    said = _Said(
        controller=made.controller,
        purposes=made.purposes,
        lawful_basis=made.lawful_basis,
        artifacts=made.artifacts,
        removal_time=made.removal_time,
        terms=made.terms,
        withdrawal_method=made.withdrawal_method,
        storage_locations=made.storage_locations,
    )
    tx.execute(
        consent.insert().values(
            tenant=name.tenant,
            id=name.id,
            pii_principal_id=made.pii_principal_id,
            state=made.state,
            revision=made.revision,
            create_time=made.create_time,
            update_time=made.update_time,
            expire_time=made.expire_time,
            end_reason="",
            ends_at=made.expire_time,
            removal_due=False,
            removal_seconds=made.removal_time // timedelta(seconds=1),
            said=_said.dump_json(said).decode(),
        )
    )
    if made.devices:
        rows = [
            {"tenant": name.tenant, "consent": name.id, "device": device.id, "place": place}
            for place, device in enumerate(made.devices)
        ]
        tx.execute(consent_device.insert(), rows)


def find(tx: Connection, name: ChildName, *, lock: bool = False, concerning: ChildName | None = None) -> Consent | None:
    """`lock`: nobody else may change it, or give leases for it, before this transaction commits. `concerning`: a
    device, for which a consent that does not concern it takes as long as one that is not there.
    """
    query = sa.select(consent).where(_named(name))
    if concerning is not None:
        query = query.where(_concerns(name, concerning))
    row = tx.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _read(row, _devices(tx, name.tenant, [name.id]))


def list_consents(
    tx: Connection, tenant: str, filters: Filters, *, now: datetime, after: str, limit: int
) -> list[Consent]:
    """Those whose id comes after `after`, in the order of their ids: oldest first."""
    query = sa.select(consent).where(consent.c.tenant == tenant, consent.c.id > after).order_by(consent.c.id)
    if filters.pii_principal_id:
        query = query.where(consent.c.pii_principal_id == filters.pii_principal_id)
    if filters.device is not None:
        given = sa.select(consent_device.c.consent).where(
            consent_device.c.tenant == tenant, consent_device.c.device == filters.device.id
        )
        query = query.where(consent.c.id.in_(given))
    if filters.state is not None:
        query = query.where(_in_state(filters.state, now))
    rows = tx.execute(query.limit(limit)).all()
    devices = _devices(tx, tenant, [row.id for row in rows])
    return [_read(row, devices) for row in rows]


def renew(tx: Connection, name: ChildName, *, before: int, expire_time: datetime, now: datetime) -> bool:
    """Compare and set: False when the revision is not `before` any more, or it ended; then nothing was written."""
    values = {
        "state": ConsentState.RENEWED,
        "revision": before + 1,
        "expire_time": expire_time,
        "ends_at": expire_time,
        "update_time": now,
    }
    return tx.execute(consent.update().where(_open(name, before)).values(values)).rowcount == 1


def end(
    tx: Connection,
    name: ChildName,
    *,
    before: int,
    state: ConsentState,
    reason: str,
    removal_due: bool,
    now: datetime,
) -> bool:
    """Compare and set, for ever. False as in `renew`."""
    values = {
        "state": state,
        "revision": before + 1,
        "update_time": now,
        "end_time": now,
        "end_reason": reason,
        "ends_at": None,
        "removal_due": removal_due,
    }
    return tx.execute(consent.update().where(_open(name, before)).values(values)).rowcount == 1


def over_by(tx: Connection, now: datetime, *, limit: int) -> list[Consent]:
    """Open ones whose time is over, oldest first."""
    return _some(tx, sa.select(consent).where(consent.c.ends_at <= now).order_by(consent.c.ends_at).limit(limit))


def removals_due(tx: Connection, *, limit: int) -> list[Consent]:
    """Ended ones whose devices were not asked to delete yet."""
    return _some(tx, sa.select(consent).where(consent.c.removal_due == sa.true()).limit(limit))


def take_removal_due(tx: Connection, name: ChildName) -> bool:
    """False when another replica was faster."""
    due = sa.and_(_named(name), consent.c.removal_due == sa.true())
    return tx.execute(consent.update().where(due).values(removal_due=False)).rowcount == 1


def insert_change(tx: Connection, name: ChildName, change: Change) -> None:
    promise, receipt = change.promise, change.receipt
    signature = None if receipt is None else receipt.signature
    tx.execute(
        consent_change.insert().values(
            tenant=name.tenant,
            consent=name.id,
            revision=change.revision,
            event_key=promise.event_key,
            leaf_hash=promise.leaf_hash,
            entry=promise.entry,
            receipt=None if receipt is None else receipt.payload,
            key_version=None if signature is None else signature.key_version,
            signature=None if signature is None else signature.signature,
            sign_time=None if signature is None else signature.sign_time,
            removals=list(change.removals),
        )
    )


def find_change(tx: Connection, name: ChildName, revision: int) -> Change | None:
    row = tx.execute(_changes(name).where(consent_change.c.revision == revision)).first()
    return None if row is None else _read_change(row)


def newest_receipt(tx: Connection, name: ChildName) -> Change | None:
    """The newest change that came with a receipt."""
    query = _changes(name).where(consent_change.c.receipt.is_not(None)).order_by(consent_change.c.revision.desc())
    row = tx.execute(query.limit(1)).first()
    return None if row is None else _read_change(row)


def _named(name: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(consent.c.tenant == name.tenant, consent.c.id == name.id)


def _concerns(name: ChildName, device: ChildName) -> sa.ColumnElement[bool]:
    """A consent that names no device concerns all."""
    named = sa.select(consent_device.c.device).where(
        consent_device.c.tenant == name.tenant, consent_device.c.consent == name.id
    )
    return sa.or_(sa.not_(named.exists()), named.where(consent_device.c.device == device.id).exists())


def _open(name: ChildName, revision: int) -> sa.ColumnElement[bool]:
    return sa.and_(_named(name), consent.c.revision == revision, consent.c.end_time.is_(None))


def _in_state(state: ConsentState, now: datetime) -> sa.ColumnElement[bool]:
    """As `Consent.state_at` says it."""
    is_over = consent.c.ends_at <= now
    if state is ConsentState.EXPIRED:
        return sa.or_(consent.c.state == state, is_over)
    return sa.and_(consent.c.state == state, sa.or_(consent.c.ends_at.is_(None), sa.not_(is_over)))


def _changes(name: ChildName) -> sa.Select[Any]:
    mine = sa.and_(consent_change.c.tenant == name.tenant, consent_change.c.consent == name.id)
    return sa.select(consent_change).where(mine)


def _some(tx: Connection, query: sa.Select[Any]) -> list[Consent]:
    rows = tx.execute(query).all()
    return [_read(row, _devices(tx, row.tenant, [row.id])) for row in rows]


def _devices(tx: Connection, tenant: str, ids: Sequence[str]) -> dict[str, list[ChildName]]:
    query = (
        sa.select(consent_device)
        .where(consent_device.c.tenant == tenant, consent_device.c.consent.in_(ids))
        .order_by(consent_device.c.consent, consent_device.c.place)
    )
    found: dict[str, list[ChildName]] = {}
    for row in tx.execute(query):
        found.setdefault(row.consent, []).append(ChildName(tenant, "devices", row.device))
    return found


def _read(row: sa.Row[Any], devices: dict[str, list[ChildName]]) -> Consent:
    said = _said.validate_json(row.said)
    return Consent(
        name=ChildName(row.tenant, "consents", row.id),
        pii_principal_id=row.pii_principal_id,
        controller=said.controller,
        purposes=said.purposes,
        lawful_basis=said.lawful_basis,
        artifacts=said.artifacts,
        devices=tuple(devices.get(row.id, ())),
        state=ConsentState(row.state),
        revision=row.revision,
        create_time=row.create_time,
        update_time=row.update_time,
        expire_time=row.expire_time,
        removal_time=said.removal_time,
        terms=said.terms,
        withdrawal_method=said.withdrawal_method,
        storage_locations=said.storage_locations,
        end_time=row.end_time,
        end_reason=row.end_reason,
    )


def _read_change(row: sa.Row[Any]) -> Change:
    receipt = None
    if row.receipt is not None:
        signature = ServiceSignature(
            key_version=row.key_version, signature=row.signature, context=RECEIPT_CONTEXT, sign_time=row.sign_time
        )
        receipt = Receipt(payload=row.receipt, signature=signature)
    promise = LogPromise(event_key=row.event_key, leaf_hash=row.leaf_hash, entry=row.entry)
    return Change(revision=row.revision, promise=promise, receipt=receipt, removals=tuple(row.removals))
