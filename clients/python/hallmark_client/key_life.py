"""The half of client.keys that changes keys and moves their versions along (NIST SP 800-57 part 1, section 7)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.enums import Algorithm, ExportPolicy, KeyPurpose, KeyVersionAction, LogWait
from hallmark_client.model.key_settings import Compromise
from hallmark_client.model.keys import Key, RotationPolicy, UsageLimits
from hallmark_client.wire.key_changes import compromise_of
from hallmark_client.wire.key_settings import limits_argument, rotation_argument
from hallmark_client.wire.keys import changed_key_of
from hallmark_client.wire.scalars import (
    enum_argument,
    log_wait_argument,
    number_of,
    span_argument,
    timestamp_argument,
)


class KeyLife:
    """Part of `client.keys`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def update(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        rotation: RotationPolicy | None = None,
        usage_limits: UsageLimits | None = None,
        destroy_wait: timedelta | None = None,
        export_policy: ExportPolicy | str | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Key:
        """Change what is given, leave the rest. Labels, rotation and limits are replaced as a whole.

        etag: of the key as it was read; refuses with Aborted (ETAG_MISMATCH) when it changed meanwhile. Raises
        FailedPrecondition (EXPORT_FORBIDDEN) when export_policy would be loosened.
        """
        key = keys_pb2.Key(name=self._calls.names.key(name), labels=dict(labels or {}), etag=etag or "")
        given = put_settings(
            key, rotation=rotation, usage_limits=usage_limits, destroy_wait=destroy_wait, export_policy=export_policy
        )
        if labels is not None:
            given.append("labels")
        if not given:
            raise InvalidArgument("FIELD_INVALID", "say what to change")
        request = keys_pb2.UpdateKeyRequest(
            key=key, request_id=self._calls.request_id(request_id), log_wait=log_wait_argument(wait)
        )
        request.update_mask.paths.extend(given)
        return self._calls(rpc.UPDATE_KEY, request, changed_key_of)

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


def put_kind(
    request: keys_pb2.CreateKeyRequest, algorithm: Algorithm | str | None, purpose: KeyPurpose | str | None
) -> None:
    """Write what is given into a request. Raises InvalidArgument."""
    if algorithm is not None:
        request.algorithm = number_of(enum_argument(Algorithm, algorithm, "algorithm"))
    if purpose is not None:
        request.purpose = number_of(enum_argument(KeyPurpose, purpose, "purpose"))


def put_settings(
    message: keys_pb2.CreateKeyRequest | keys_pb2.Key,
    *,
    rotation: RotationPolicy | None,
    usage_limits: UsageLimits | None,
    destroy_wait: timedelta | None,
    export_policy: ExportPolicy | str | None,
) -> list[str]:
    """Write what is given into a request; gives the names of those fields. Raises InvalidArgument."""
    given = []
    if rotation is not None:
        message.rotation.CopyFrom(rotation_argument(rotation))
        given.append("rotation")
    if usage_limits is not None:
        message.usage_limits.CopyFrom(limits_argument(usage_limits))
        given.append("usage_limits")
    if destroy_wait is not None:
        message.destroy_wait.CopyFrom(span_argument(destroy_wait, "destroy_wait"))
        given.append("destroy_wait")
    if export_policy is not None:
        message.export_policy = number_of(enum_argument(ExportPolicy, export_policy, "export_policy"))
        given.append("export_policy")
    return given
