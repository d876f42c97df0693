"""Trust bundles of the fake: really signed, one for each change."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import common_pb2, keys_pb2
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.trust import BUNDLE_CONTEXT
from hallmark_client.testing.key_rules import ACTIVE, DESTROYED, PRE_ACTIVE, stamp, waiting_version
from hallmark_client.testing.keys import TRUST_SERVICE_KEY, FakeKeys
from hallmark_client.testing.refusals import invalid
from hallmark_client.testing.state import State
from hallmark_client.wire.scalars import member_of
from hallmark_composite import prehash

_LIFETIME: Final = timedelta(days=7)
_SEEN: Final = timedelta(days=30)
_TIMES: Final = {
    "activate": "activate_time",
    "deactivate": "deactivate_time",
    "compromised": "compromise_time",
    "revoked": "revoke_time",
    "destroy": "destroy_time",
}


class FakeTrust:
    """GetTrustBundle, AcknowledgeTrustBundle, GetRotationReadiness. `client`: who calls now."""

    def __init__(self, state: State, keys: FakeKeys) -> None:
        self._state = state
        self._keys = keys
        self._shown = b""
        self._bundle = keys_pb2.TrustBundle()
        self._first: dict[str, int] = {}
        self._acknowledged: dict[str, tuple[int, datetime]] = {}
        self.client = ""

    def get(self, request: keys_pb2.GetTrustBundleRequest) -> keys_pb2.TrustBundle:
        self._state.check_parent(request.parent)
        return self._current()

    def acknowledge(self, request: keys_pb2.AcknowledgeTrustBundleRequest) -> keys_pb2.AcknowledgeTrustBundleResponse:
        self._state.check_parent(request.parent)
        latest = self._bundle.sequence
        if not 1 <= request.sequence <= latest:
            raise invalid("sequence", f"must be that of a bundle, 1 to {latest}")
        had = self._acknowledged.get(self.client, (0, self._state.now()))[0]
        self._acknowledged[self.client] = max(had, request.sequence), self._state.now()
        return keys_pb2.AcknowledgeTrustBundleResponse(latest_sequence=latest)

    def readiness(self, request: keys_pb2.GetRotationReadinessRequest) -> keys_pb2.RotationReadiness:
        name, number = self._state.read_key_name(request.name)
        if number is not None:
            raise invalid("name", "must look like tenants/{tenant}/keys/{key}", "NAME_INVALID")
        return self._count(waiting_version(self._keys.find(name)))

    def count(self, key: keys_pb2.Key) -> keys_pb2.RotationReadiness:
        """For the version that a rotation brings, done or rehearsed."""
        return self._count(next((version for version in key.versions if version.state in {PRE_ACTIVE, ACTIVE}), None))

    def _count(self, waiting: keys_pb2.KeyVersion | None) -> keys_pb2.RotationReadiness:
        newest = self._current().sequence
        first = 0 if waiting is None else self._first.get(waiting.name, 0)
        wanted = newest if waiting is None else first or newest + 1
        since = self._state.now() - _SEEN
        seen = {client: sequence for client, (sequence, time) in self._acknowledged.items() if time >= since}
        late = sorted(client for client, sequence in seen.items() if sequence < wanted)
        readiness = keys_pb2.RotationReadiness(
            bundle_sequence=first, clients_seen=len(seen), clients_ready=len(seen) - len(late), not_ready=late[:100]
        )
        if waiting is not None:
            readiness.next_version = waiting.name
            if waiting.HasField("activate_time"):
                readiness.activate_time.CopyFrom(waiting.activate_time)
        return readiness

    def _current(self) -> keys_pb2.TrustBundle:
        now = self._state.now()
        keys = [_key(key, self._keys, now) for key in self._keys.all_keys()]
        shown = _canonical([key for key in keys if key["versions"]])
        if shown != self._shown:
            self._shown = shown
            self._issue(json.loads(shown), now)
        return self._bundle

    def _issue(self, keys: list[dict[str, Any]], now: datetime) -> None:
        sequence = self._bundle.sequence + 1
        content = {
            "v": 1,
            "tenant": self._state.tenant,
            "sequence": sequence,
            "issued": now.isoformat(),
            "not_after": (now + _LIFETIME).isoformat(),
            "keys": keys,
        }
        payload = _canonical(content)
        signer = self._keys.version(TRUST_SERVICE_KEY, None).name
        pair = self._keys.pair(signer)
        signature = common_pb2.ServiceSignature(
            key_version=signer,
            signature=pair.sign(prehash(pair.algorithm, payload), BUNDLE_CONTEXT.encode()),
            context=BUNDLE_CONTEXT,
            sign_time=stamp(now),
        )
        details = {"payload_sha256": hashlib.sha256(payload).hexdigest(), "sequence": sequence}
        subject = f"{self._state.parent}/trust-bundles/{sequence}"
        self._bundle = keys_pb2.TrustBundle(
            payload=payload,
            signature=signature,
            sequence=sequence,
            public_path=f"trust/{self._state.tenant}/bundle-{sequence}.json",
            log=self._state.record("trust-bundle.issued", subject, details, wait=0),
        )
        for key in keys:
            for version in key["versions"]:
                self._first.setdefault(version["name"], sequence)


def _key(key: keys_pb2.Key, keys: FakeKeys, now: datetime) -> dict[str, Any]:
    content: dict[str, Any] = {
        "key": key.name,
        "purpose": keys_pb2.KeyPurpose.Name(key.purpose).removeprefix("KEY_PURPOSE_"),
        "aliases": list(key.aliases),
        "versions": [_version(version, key, keys) for version in key.versions if _is_shown(version, key, now)],
    }
    if key.HasField("revoke_time"):
        content["revoked"] = _text(key.revoke_time)
    return content


def _is_shown(version: keys_pb2.KeyVersion, key: keys_pb2.Key, now: datetime) -> bool:
    if version.state == DESTROYED and not version.HasField("deactivate_time"):
        return False
    if not key.rotation.HasField("verify_tail") or not version.HasField("deactivate_time"):
        return True
    end: datetime = version.deactivate_time.ToDatetime(tzinfo=UTC) + key.rotation.verify_tail.ToTimedelta()
    return now < end


def _version(version: keys_pb2.KeyVersion, key: keys_pb2.Key, keys: FakeKeys) -> dict[str, Any]:
    spki, raw = keys.public_forms(version.name)
    content = {
        "name": version.name,
        "algorithm": member_of(Algorithm, key.algorithm).value,
        "state": keys_pb2.KeyVersionState.Name(version.state).removeprefix("KEY_VERSION_STATE_"),
        "spki" if spki else "public_key": base64.b64encode(spki or raw).decode(),
    }
    for member, field in _TIMES.items():
        if version.HasField(field):
            content[member] = _text(getattr(version, field))
    return content


def _text(moment: Timestamp) -> str:
    return moment.ToDatetime(tzinfo=UTC).isoformat()


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
