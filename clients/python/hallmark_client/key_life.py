"""The half of client.keys that changes keys and moves their versions along (NIST SP 800-57 part 1, section 7)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.errors import InvalidArgument
from hallmark_client.key_transfer import KeyTransfer
from hallmark_client.model.attestation_gate import AttestationGate
from hallmark_client.model.enums import ExportPolicy, KeyVersionAction, LogWait, Sensitivity
from hallmark_client.model.key_settings import Compromise, UpdateRehearsal
from hallmark_client.model.keys import Key, RotationPolicy, UsageLimits
from hallmark_client.put_settings import UpdateSettings, put_settings
from hallmark_client.wire.key_changes import compromise_of, update_rehearsal_of
from hallmark_client.wire.keys import changed_key_of
from hallmark_client.wire.scalars import enum_argument, log_wait_argument, number_of, timestamp_argument


class KeyLife(KeyTransfer):
    """Part of `client.keys`."""

    def update(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        rotation: RotationPolicy | None = None,
        usage_limits: UsageLimits | None = None,
        destroy_wait: timedelta | None = None,
        export_policy: ExportPolicy | str | None = None,
        attestation_gate: AttestationGate | Literal["remove"] | None = None,
        sensitivity: Sensitivity | str | None = None,
        etag: str | None = None,
        proposal: str | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Key:
        """Change what is given, leave the rest. Labels, rotation, limits and gate are replaced as a whole.

        etag: of the key as it was read; refuses with Aborted (ETAG_MISMATCH) when it changed meanwhile. proposal: an
        approved one, where the server asks for it because settings are loosened: see `rehearse_update`. Raises
        FailedPrecondition (EXPORT_FORBIDDEN when export_policy would be loosened, APPROVAL_REQUIRED).
        """
        settings = UpdateSettings(
            rotation=rotation,
            usage_limits=usage_limits,
            destroy_wait=destroy_wait,
            export_policy=export_policy,
            attestation_gate=attestation_gate,
            sensitivity=sensitivity,
        )
        request = self._update(name, labels, etag, settings)
        request.request_id = self._calls.request_id(request_id)
        request.log_wait = log_wait_argument(wait)
        request.proposal = "" if proposal is None else self._calls.names.proposal(proposal)
        return self._calls(rpc.UPDATE_KEY, request, changed_key_of)

    def rehearse_update(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        rotation: RotationPolicy | None = None,
        usage_limits: UsageLimits | None = None,
        destroy_wait: timedelta | None = None,
        export_policy: ExportPolicy | str | None = None,
        attestation_gate: AttestationGate | Literal["remove"] | None = None,
        sensitivity: Sensitivity | str | None = None,
        etag: str | None = None,
    ) -> UpdateRehearsal:
        """Say what `update` would do, and what it takes; changes nothing. Whoever approves a POLICY_CHANGE compares the
        proposal's parameters_sha256 with what this tells them of the change they were asked about.
        """
        settings = UpdateSettings(
            rotation=rotation,
            usage_limits=usage_limits,
            destroy_wait=destroy_wait,
            export_policy=export_policy,
            attestation_gate=attestation_gate,
            sensitivity=sensitivity,
        )
        request = self._update(name, labels, etag, settings)
        request.request_id = self._calls.request_id(None)
        request.validate_only = True
        return self._calls(rpc.UPDATE_KEY, request, update_rehearsal_of)

    def _update(
        self, name: str, labels: Mapping[str, str] | None, etag: str | None, settings: UpdateSettings
    ) -> keys_pb2.UpdateKeyRequest:
        key = keys_pb2.Key(name=self._calls.names.key(name), labels=dict(labels or {}), etag=etag or "")
        given = put_settings(key, **settings)
        if labels is not None:
            given.append("labels")
        if not given:
            raise InvalidArgument("FIELD_INVALID", "say what to change")
        request = keys_pb2.UpdateKeyRequest(key=key)
        request.update_mask.paths.extend(given)
        return request

    def change_state(
        self,
        version: str,
        action: KeyVersionAction | str,
        *,
        proposal: str | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Key:
        """Move a version ("manifest/versions/2") along its life. proposal: an approved one, where the server asks.

        ACTIVATE a version that waits, without its lead; SUSPEND and RESUME; DEACTIVATE; SCHEDULE_DESTROY, which waits
        the key's destroy_wait; RESTORE before that is over. Raises FailedPrecondition (STATE_TRANSITION_INVALID,
        APPROVAL_REQUIRED) with what is possible instead.
        """
        request = keys_pb2.ChangeKeyVersionStateRequest(
            name=self._calls.names.key(version),
            action=number_of(enum_argument(KeyVersionAction, action, "action")),
            proposal="" if proposal is None else self._calls.names.proposal(proposal),
            etag=etag or "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.CHANGE_KEY_VERSION_STATE, request, changed_key_of)

    def report_compromise(
        self,
        name: str,
        *,
        compromise_time: datetime | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Compromise:
        """The secret of a version, or of all versions of a key, may be known: they stop signing and are revoked at
        once, everybody who watches is told, and the key gets a fresh primary version.

        compromise_time: since when; default now, needs a time zone. When a call fails half way, repeat it with the same
        request_id: it goes on where it stopped, and so does the server by itself.
        """
        request = keys_pb2.ReportKeyCompromiseRequest(
            name=self._calls.names.key(name),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        if compromise_time is not None:
            request.compromise_time.CopyFrom(timestamp_argument(compromise_time, "compromise_time"))
        return self._calls(rpc.REPORT_KEY_COMPROMISE, request, compromise_of)
