"""Rotation, settings, states and compromise of the fake's keys."""

import hashlib
import uuid
from datetime import UTC, timedelta
from typing import Final

import grpc

from hallmark.v1 import approvals_pb2, keys_pb2, revocation_pb2
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.feed import FakeFeed
from hallmark_client.testing.key_rules import (
    activate,
    check_not_revoked,
    plan_rotation,
    stamp,
    waiting_version,
)
from hallmark_client.testing.key_settings import settings_of
from hallmark_client.testing.key_updates import gated_update, rehearsal_of
from hallmark_client.testing.keys import SYSTEM, FakeKeys
from hallmark_client.testing.refusals import invalid, precondition, refusal
from hallmark_client.testing.state import State
from hallmark_client.testing.trust import FakeTrust

_PATHS: Final = {
    "labels",
    "rotation",
    "usage_limits",
    "destroy_wait",
    "export_policy",
    "attestation_gate",
    "sensitivity",
}

_OWN_LEAD: Final = timedelta(days=8)
_STOPS: Final = {keys_pb2.KEY_VERSION_ACTION_SUSPEND, keys_pb2.KEY_VERSION_ACTION_DEACTIVATE}


def _lead_sha256(request: keys_pb2.RotateKeyRequest) -> bytes:
    """What an approval of a rotation with a lead of its own is about."""
    if not request.HasField("publish_lead"):
        return b""
    return hashlib.sha256(b"hallmark/rotation-lead/v1\n%d" % request.publish_lead.seconds).digest()


def _is_own(key: keys_pb2.Key) -> bool:
    return key.name.startswith(f"{SYSTEM}/")


class FakeKeyLife:
    """RotateKey, UpdateKey, ChangeKeyVersionState, ReportKeyCompromise."""

    def __init__(
        self, state: State, keys: FakeKeys, feed: FakeFeed, trust: FakeTrust, approvals: FakeApprovals
    ) -> None:
        self._state = state
        self._keys = keys
        self._feed = feed
        self._trust = trust
        self._approvals = approvals

    def rotate(self, request: keys_pb2.RotateKeyRequest) -> keys_pb2.RotateKeyResponse:
        key = self._own(request.name, request.etag)
        given = request.publish_lead if request.HasField("publish_lead") else key.rotation.publish_lead
        lead = given.ToTimedelta()
        if key.purpose == keys_pb2.KEY_PURPOSE_SERVICE and not lead and not request.HasField("publish_lead"):
            lead = _OWN_LEAD
        if request.validate_only:
            return self._rehearse(key, lead)
        if _is_own(key):
            act = approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE
            self._approvals.consume(request.proposal, act, key.name, _lead_sha256(request))
        kind = self._rotate(key, lead)
        response = keys_pb2.RotateKeyResponse(key=key, log=self._keys.record(kind, key, request.log_wait))
        if waiting_version(key) is not None:
            response.readiness.CopyFrom(self._trust.count(key))
        return response

    def update(self, request: keys_pb2.UpdateKeyRequest) -> keys_pb2.UpdateKeyResponse:
        key = self._own(request.key.name, request.key.etag)
        paths = set(request.update_mask.paths)
        if not paths or not paths <= _PATHS:
            raise invalid("update_mask", f"must name some of {', '.join(sorted(_PATHS))}")
        settings = settings_of(request.key)
        more_than_promised = settings.export_policy != keys_pb2.EXPORT_POLICY_NEVER
        if "export_policy" in paths and more_than_promised and key.export_policy == keys_pb2.EXPORT_POLICY_NEVER:
            raise precondition("EXPORT_FORBIDDEN", "export_policy can only be made stricter")
        after = keys_pb2.Key()
        after.CopyFrom(key)
        for path in paths - {"labels"}:
            after.ClearField(path)
            if path in {"export_policy", "sensitivity"}:
                setattr(after, path, getattr(settings, path))
            elif settings.HasField(path):
                getattr(after, path).CopyFrom(getattr(settings, path))
        if "labels" in paths:
            after.labels.clear()
            after.labels.update(request.key.labels)
        if "rotation" in paths:
            plan_rotation(after, self._state.now())
        change = gated_update(key, after)
        if request.validate_only:
            return rehearsal_of(key, after, change, self._approvals)
        if change is not None:
            act, parameters = change
            self._approvals.consume(request.proposal, act, key.name, parameters)
        key.CopyFrom(after)
        self._keys.touch(key)
        return keys_pb2.UpdateKeyResponse(key=key, log=self._keys.record("key.updated", key, request.log_wait))

    def change_state(self, request: keys_pb2.ChangeKeyVersionStateRequest) -> keys_pb2.ChangeKeyVersionStateResponse:
        name, number = self._state.read_key_name(request.name)
        if number is None:
            raise invalid("name", "must look like tenants/{tenant}/keys/{key}/versions/{number}", "NAME_INVALID")
        key = self._own(name, request.etag)
        version = self._keys.version(name, number)
        twin = keys_pb2.Key()
        twin.CopyFrom(key)
        if _is_own(key) and request.action in _STOPS:
            raise precondition("STATE_TRANSITION_INVALID", f"{key.name} is the service's own; rotate it instead")
        self._keys.rules.act(key, version, request.action, self._state.now())
        destroys = request.action == keys_pb2.KEY_VERSION_ACTION_SCHEDULE_DESTROY
        if destroys or _is_own(key):
            acts = [approvals_pb2.PROPOSED_ACT_DESTROY] if destroys else []
            acts += [approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE] if _is_own(key) else []
            try:
                self._approvals.consume(request.proposal, max(acts, key=self._approvals.needed), request.name)
            except Exception:
                key.CopyFrom(twin)
                raise
        self._keys.touch(key)
        kind = keys_pb2.KeyVersionAction.Name(request.action)
        log = self._keys.record(f"key-version {kind}", key, request.log_wait)
        return keys_pb2.ChangeKeyVersionStateResponse(key=key, log=log)

    def report_compromise(self, request: keys_pb2.ReportKeyCompromiseRequest) -> keys_pb2.ReportKeyCompromiseResponse:
        name, number = self._state.read_key_name(request.name)
        key, now = self._own(name, ""), self._state.now()
        if _is_own(key):
            raise refusal(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", f"{name} was not found")
        since = request.compromise_time.ToDatetime(tzinfo=UTC) if request.HasField("compromise_time") else now
        if since > now + timedelta(seconds=60):
            raise invalid("compromise_time", "is in the future")
        versions = [self._keys.version(name, number)] if number else list(key.versions)
        was_signing = key.primary_version in {version.name for version in versions}
        log = self._keys.record("key.compromise-reported", key, request.log_wait)
        revocations = [self._revoke(version.name, request) for version in reversed(versions)]
        for version in versions:
            self._keys.rules.revoke(version, compromised=True, effective=since, now=now)
        self._keys.touch(key)
        if was_signing and not key.HasField("revoke_time"):
            self._keys.record(self._rotate(key, timedelta(0)), key, 0)
        return keys_pb2.ReportKeyCompromiseResponse(key=key, revocations=revocations, log=log)

    def _own(self, name: str, etag: str) -> keys_pb2.Key:
        key = self._keys.get(keys_pb2.GetKeyRequest(name=name))
        if not name.startswith((f"{self._state.parent}/", f"{SYSTEM}/")):
            raise refusal(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", f"{name} was not found")
        if etag and etag != key.etag:
            sentence = f"{key.name} changed meanwhile; read it again and retry"
            raise refusal(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", sentence)
        return key

    def _rotate(self, key: keys_pb2.Key, lead: timedelta) -> str:
        """Gives the type of its log entry."""
        check_not_revoked(key)
        now, waiting = self._state.now(), waiting_version(key)
        if waiting is not None and lead:
            raise precondition("STATE_TRANSITION_INVALID", f"{waiting.name} waits to become active already")
        if waiting is not None:
            activate(key, waiting, now)
        else:
            version = self._keys.add_version(key, now + lead)
            if not lead:
                activate(key, version, now)
            plan_rotation(key, now)
        self._keys.touch(key)
        return "key.rotated" if waiting is None else "key-version.activated"

    def _rehearse(self, key: keys_pb2.Key, lead: timedelta) -> keys_pb2.RotateKeyResponse:
        check_not_revoked(key)
        now, twin = self._state.now(), keys_pb2.Key()
        waiting = waiting_version(key)
        if waiting is not None and lead:
            raise precondition("STATE_TRANSITION_INVALID", f"{waiting.name} waits to become active already")
        twin.CopyFrom(key)
        planned = waiting_version(twin)
        if planned is None:
            rest = list(twin.versions)
            del twin.versions[:]
            planned = twin.versions.add(
                name=f"{key.name}/versions/{len(rest) + 1}",
                state=keys_pb2.KEY_VERSION_STATE_PRE_ACTIVE,
                create_time=stamp(now),
                activate_time=stamp(now + lead),
            )
            twin.versions.extend(rest)
            planned = twin.versions[0]
        if not lead:
            activate(twin, planned, now)
        return keys_pb2.RotateKeyResponse(key=twin, readiness=self._trust.count(twin))

    def _revoke(self, version: str, request: keys_pb2.ReportKeyCompromiseRequest) -> str:
        revoke = revocation_pb2.RevokeRequest(
            subject=version,
            reason=revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE,
            request_id=str(uuid.uuid4()),
        )
        if request.HasField("compromise_time"):
            revoke.effective_time.CopyFrom(request.compromise_time)
        return self._feed.revoke(revoke).event.name
