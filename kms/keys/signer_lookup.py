"""Which version signs, and which verdict lets it: the first step of Sign."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import ServiceError
from kms.keys.model import signing_version
from kms.keys.purposes import check_signs
from kms.keys.resolve import KeyReference, find_referenced
from kms.keys.sign_item import SignItem
from kms.keys.signing_key import SigningKey, SigningKeys
from kms.keys.verdict_gate import NOBODY, Claimant, VerdictGate, Vouched, vouch


class SignerLookup:
    """From memory where possible, which may be out of date: the commit decides."""

    def __init__(self, database: Database, verdicts: VerdictGate) -> None:
        self._database = database
        self._verdicts = verdicts
        self._known = SigningKeys()

    def forget(self, reference: KeyReference) -> None:
        """It is read again before it signs more."""
        self._known.forget(reference)

    async def find(
        self, items: Sequence[SignItem], now: datetime
    ) -> tuple[list[SigningKey | ServiceError], dict[int, Vouched]]:
        """For each item who signs or why nobody does; and by place, for keys with a gate, what it let pass."""
        keys = await self._find_keys(items, now)
        return keys, await self._vouch(items, keys, now)

    async def _find_keys(self, items: Sequence[SignItem], now: datetime) -> list[SigningKey | ServiceError]:
        """From memory where possible; one read for all others, while which others may make it forget the first."""
        found: dict[KeyReference, SigningKey | ServiceError] = {}
        for reference in {item.reference for item in items}:
            if (remembered := self._known.get(reference)) is not None:
                found[reference] = remembered
        if unknown := {item.reference for item in items} - found.keys():
            read = await self._database.read(
                lambda tx: {reference: _key_or_why_not(tx, reference, now) for reference in unknown}
            )
            for reference, key in read.items():
                if isinstance(key, SigningKey):
                    self._known.put(reference, key)
            found |= read
        return [found[item.reference] for item in items]

    async def _vouch(
        self, items: Sequence[SignItem], keys: list[SigningKey | ServiceError], now: datetime
    ) -> dict[int, Vouched]:
        """By place, for keys with a gate: read afresh together with the verdict, into `keys`, which also gets refusals.

        Nothing is read for the others.
        """
        places = [
            place
            for place, (item, key) in enumerate(zip(items, keys, strict=True))
            if isinstance(key, SigningKey) and (key.gate is not None or item.claimant is not NOBODY)
        ]
        if not places:
            return {}
        uses = {(items[place].reference, items[place].claimant) for place in places}
        found = await self._database.read(lambda tx: self._look(tx, uses, now))
        vouched: dict[int, Vouched] = {}
        for place in places:
            key, who = found[items[place].reference, items[place].claimant]
            keys[place] = key
            if isinstance(key, SigningKey):
                self._known.put(items[place].reference, key)
            if who is not None:
                vouched[place] = who
        return vouched

    def _look(
        self, tx: Connection, uses: set[tuple[KeyReference, Claimant]], now: datetime
    ) -> dict[tuple[KeyReference, Claimant], tuple[SigningKey | ServiceError, Vouched | None]]:
        """Each key once, however many devices it is used for."""
        keys = {reference: _key_or_why_not(tx, reference, now) for reference, _ in uses}
        return {use: _vouched_or_why_not(tx, self._verdicts, keys[use[0]], use[1], now) for use in uses}


def key_to_sign(tx: Connection, reference: KeyReference, now: datetime) -> SigningKey:
    key, number = find_referenced(tx, reference)
    check_signs(key)
    return SigningKey.of(key, signing_version(key, number, now))


def newest_version(tx: Connection, reference: KeyReference) -> SigningKey:
    key, number = find_referenced(tx, reference)
    return SigningKey.of(key, (key.version(number) if number is not None else None) or key.versions[0])


def _key_or_why_not(tx: Connection, reference: KeyReference, now: datetime) -> SigningKey | ServiceError:
    try:
        return key_to_sign(tx, reference, now)
    except ServiceError as error:
        return error


def _vouched_or_why_not(
    tx: Connection, verdicts: VerdictGate, key: SigningKey | ServiceError, who: Claimant, now: datetime
) -> tuple[SigningKey | ServiceError, Vouched | None]:
    if isinstance(key, ServiceError):
        return key, None
    try:
        return key, vouch(tx, verdicts, key.key_name, key.gate, who, now)
    except ServiceError as error:
        return error, None
