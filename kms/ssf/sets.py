"""Security Event Tokens for receivers (RFC 8417; SSF 1.0, section 4): ES256, which every receiver can verify today.

A set for a receiver is another one than the event it tells of: it has another issuer and an audience. So it has a jti
of its own (RFC 8417, section 2.2: an identifier of the set), and txn holds the sets of one event together. The event
itself, under its composite signature and with its place in the log, is named in our own member "original":
{"jti", "sha256": of its bytes, "uri": where this receiver gets it (kms.ssf.originals)}.
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from kms.core.canonical import Json, canonical_json
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.events.model import OWN_NAMESPACE, Event
from kms.keys.service_jws import sign_jws_as_service
from kms.keys.signing import SigningService
from kms.ssf.model import SET_TYPE, SIGNING_KEY_ID, STREAM_UPDATED, VERIFICATION, Queued, StreamStatus

ORIGINALS_PATH: Final = "/ssf/originals/"
_KEPT_TOKENS: Final = 2_000
"""About 3 MB. What a receiver asks for again need not be signed again."""


@dataclass(frozen=True, slots=True)
class SetMaker:
    """Makes sets before they are signed: (jti, claims as canonical JSON). `issuer`: https URL."""

    issuer: str
    randomness: Randomness

    def of_event(self, event: Event, audience: str, now: datetime) -> tuple[str, bytes]:
        told = json.loads(event.payload)
        members: dict[str, Json] = told["events"][event.uri]
        own: Any = members[OWN_NAMESPACE]
        original: dict[str, Json] = {
            "jti": event.id,
            "sha256": sha256(event.payload).hexdigest(),
            "uri": f"{self.issuer}{ORIGINALS_PATH}{event.id}",
        }
        claims: dict[str, Json] = {
            "txn": told.get("txn", event.id),
            "toe": told["toe"],
            "sub_id": told["sub_id"],
            "events": {event.uri: {**members, OWN_NAMESPACE: {**own, "original": original}}},
        }
        return self._made(claims, audience, now)

    def of_verification(self, stream_id: str, state: str | None, audience: str, now: datetime) -> tuple[str, bytes]:
        """SSF 1.0, section 8.1.4.1."""
        members: dict[str, Json] = {} if state is None else {"state": state}
        return self._about_stream(stream_id, VERIFICATION, members, audience, now)

    def of_update(
        self, stream_id: str, status: StreamStatus, reason: str, audience: str, now: datetime
    ) -> tuple[str, bytes]:
        """SSF 1.0, section 8.1.5."""
        members: dict[str, Json] = {"status": status.value, "reason": reason}
        return self._about_stream(stream_id, STREAM_UPDATED, members, audience, now)

    def _about_stream(
        self, stream_id: str, uri: str, members: dict[str, Json], audience: str, now: datetime
    ) -> tuple[str, bytes]:
        sub_id: dict[str, Json] = {"format": "opaque", "id": stream_id}
        return self._made({"sub_id": sub_id, "events": {uri: members}}, audience, now)

    def _made(self, claims: dict[str, Json], audience: str, now: datetime) -> tuple[str, bytes]:
        jti = new_id(now, self.randomness)
        return jti, canonical_json(
            {**claims, "iss": self.issuer, "aud": audience, "jti": jti, "iat": int(now.timestamp())}
        )


@dataclass(slots=True)
class SetSigner:
    """One for the process."""

    signing: SigningService
    _kept: OrderedDict[str, str] = field(default_factory=OrderedDict)

    async def sign(self, sets: Sequence[Queued], now: datetime) -> dict[str, str]:
        """By jti: compact JWS, in the order given. Raises ServiceError when the HSM can not be reached."""
        return {each.jti: await self._token(each, now) for each in sets}

    async def _token(self, queued: Queued, now: datetime) -> str:
        if (kept := self._kept.get(queued.jti)) is not None:
            return kept
        token = await sign_jws_as_service(self.signing, SIGNING_KEY_ID, queued.claims, SET_TYPE, now)
        self._kept[queued.jti] = token
        if len(self._kept) > _KEPT_TOKENS:
            self._kept.popitem(last=False)
        return token
