"""client.removals: ask devices to delete, give receipts, see what was removed by when and what proves it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from hallmark.v1 import removal_pb2
from hallmark_client.calls import Calls
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.devices import Evidence
from hallmark_client.model.enums import LogWait
from hallmark_client.model.removals import (
    RECEIPT_CONTEXT,
    DeletionReceipt,
    Removal,
    RemovalReport,
    RemovalState,
)
from hallmark_client.permission_rpc import (
    GET_REMOVAL,
    GET_REMOVAL_REPORT,
    LIST_REMOVALS,
    REQUEST_DELETION,
    SUBMIT_DELETION_RECEIPT,
)
from hallmark_client.wire.removals import (
    receipt_argument,
    removal_of,
    removals_of,
    report_of,
    state_argument,
    submitted_of,
)
from hallmark_client.wire.scalars import log_wait_argument, timestamp_argument
from hallmark_events.canonical import format_time
from hallmark_events.errors import EventInvalid
from hallmark_events.event_set import EventSet, encode
from hallmark_events.types import DELETION_COMPLETED, DELETION_REQUESTED, Initiator, StatusValue


class Removals:
    """Reached as `client.removals`. Names may be short: the id of a removal, device or consent, or a SHA-256."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def request(
        self,
        device: str,
        artifact: str,
        *,
        deadline: datetime | None = None,
        reason: str = "",
        request_id: str | None = None,
    ) -> Removal:
        """Ask a device to delete an artifact (SHA-256, hex), without a consent that ended.

        deadline: a minute to 30 days from now, default 24 hours. Raises NotFound, InvalidArgument.
        """
        request = removal_pb2.RequestDeletionRequest(
            device=self._calls.names.device(device),
            artifact=self._name(artifact, "artifacts"),
            reason=reason,
            request_id=self._calls.request_id(request_id),
        )
        if deadline is not None:
            request.deadline.CopyFrom(timestamp_argument(deadline, "deadline"))
        return self._calls(REQUEST_DELETION, request, removal_of)

    def submit(
        self,
        removal: str,
        receipt: DeletionReceipt,
        *,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Removal:
        """Of a device, for its own removal: give the receipt that `deletion_receipt` made. The answer's receipt has its
        grade and is countersigned. A better grade may come later; a refusal says why, and nothing is lost by it.

        Raises NotFound, InvalidArgument (SIGNATURE_INVALID, CHALLENGE_MISMATCH, ...), FailedPrecondition
        (VERDICT_REFUSED: the evidence is not believed; STATE_TRANSITION_INVALID: there is one that is as good).
        """
        request = removal_pb2.SubmitDeletionReceiptRequest(
            removal=self._name(removal, "removals"),
            receipt=receipt_argument(receipt),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(SUBMIT_DELETION_RECEIPT, request, submitted_of)

    def get(self, name: str) -> Removal:
        """Raises NotFound."""
        request = removal_pb2.GetRemovalRequest(name=self._name(name, "removals"))
        return self._calls(GET_REMOVAL, request, removal_of)

    def list(
        self,
        *,
        state: RemovalState | str | None = None,
        device: str = "",
        consent: str = "",
        page_size: int = 0,
    ) -> Iterator[Removal]:
        """Newest first, fetched page by page; only those in a state, of a device, of a consent when given. Their
        receipts come without evidence: `get` brings it.
        """
        request = removal_pb2.ListRemovalsRequest(
            parent=self._calls.names.parent,
            page_size=page_size,
            device=self._calls.names.device_or_none(device),
            consent=self._name(consent, "consents") if consent else "",
        )
        if state is not None:
            request.state = state_argument(state)
        while True:
            found, request.page_token = self._calls(LIST_REMOVALS, request, removals_of)
            yield from found
            if not request.page_token:
                return

    def report(self, *, since: datetime | None = None, until: datetime | None = None) -> RemovalReport:
        """Of the removals issued since and before; default: the last 30 days. Raises InvalidArgument."""
        request = removal_pb2.GetRemovalReportRequest(parent=self._calls.names.parent)
        if since is not None:
            request.since.CopyFrom(timestamp_argument(since, "since"))
        if until is not None:
            request.until.CopyFrom(timestamp_argument(until, "until"))
        return self._calls(GET_REMOVAL_REPORT, request, report_of)

    def _name(self, name: str, collection: str) -> str:
        if name.startswith("tenants/"):
            return name
        return f"{self._calls.names.parent}/{collection}/{name.removeprefix(collection + '/')}"


class DeletionCommand(Protocol):
    """What is known of a deletion-requested event: an EventSet, or the DeletionRequested that a watcher tells of."""

    @property
    def uri(self) -> str: ...

    @property
    def subject(self) -> str: ...

    @property
    def jti(self) -> str: ...

    @property
    def own(self) -> Mapping[str, Any]: ...


def deletion_receipt(
    event: DeletionCommand | bytes,
    *,
    device: str,
    jti: str,
    epoch_before: int,
    epoch_after: int,
    audit_head: bytes,
    boot_id: str,
    device_time: datetime,
    sign: Callable[[bytes], bytes] | None = None,
    evidence: Callable[[bytes], Evidence] | None = None,
) -> DeletionReceipt:
    """The receipt for a deletion-requested event that was carried out: grade A0, with `sign` A1, with `evidence` A2.

    device: tenants/{tenant}/devices/{device}. jti: a fresh UUIDv7. audit_head: 32 bytes, the end of the device's own
    hash chain. boot_id: a UUID. sign: the attested key over the message it is given (ECDSA in DER with the hash of its
    curve's size, RSA PKCS #1 v1.5 with SHA-256, Ed25519 or ML-DSA). evidence: over the challenge it is given, 32 bytes.
    Raises InvalidArgument for an event of another kind, or values that make no receipt.
    """
    try:
        request = EventSet.parse(event) if isinstance(event, bytes) else event
        data = _receipt_set(request, device, jti, (epoch_before, epoch_after), audit_head, boot_id, device_time)
    except (EventInvalid, KeyError) as error:
        raise InvalidArgument("FIELD_INVALID", f"no receipt can be made of this: {error}") from error
    return DeletionReceipt(
        set=data,
        signature=b"" if sign is None else sign(RECEIPT_CONTEXT + data),
        evidence=None if evidence is None else evidence(hashlib.sha256(data).digest()),
    )


def _receipt_set(
    request: DeletionCommand,
    device: str,
    jti: str,
    epochs: tuple[int, int],
    audit_head: bytes,
    boot_id: str,
    device_time: datetime,
) -> bytes:
    if request.uri != DELETION_REQUESTED:
        raise EventInvalid("the event does not ask for a deletion")
    before, after = epochs
    if len(audit_head) != hashlib.sha256().digest_size or not 0 <= before < after:
        raise EventInvalid("audit_head has 32 bytes, and the epoch after is greater than the one before")
    wanted = request.own
    return encode(
        issuer=device,
        jti=jti,
        uri=DELETION_COMPLETED,
        subject=request.subject,
        revision=wanted["revision"] + 1,
        status=StatusValue.INVALID,
        event_time=device_time,
        initiating_entity=Initiator.SYSTEM,
        own={
            "removal": wanted["removal"],
            "request_jti": request.jti,
            "artifact": wanted["artifact"],
            "consent": wanted["consent"],
            "method": wanted["method"],
            "epoch_before": before,
            "epoch_after": after,
            "audit_head": audit_head.hex(),
            "boot_id": boot_id,
            "device_time": format_time(device_time),
            "nonce": wanted["nonce"],
        },
    )
