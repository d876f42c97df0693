"""Removals, receipts and reports on the wire."""

from datetime import UTC, datetime
from typing import Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import devices_pb2, removal_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.devices.evidence_wire import evidence_from_wire
from kms.keys.wire import service_signature_to_wire
from kms.log.wire import promise_to_wire, write_promise
from kms.removal.model import DayRoot, Percentiles, Receipt, ReceiptGrade, Removal, RemovalState, Report
from kms.removal.receipts import refused
from kms.removal.receiving import Submission

_STATES: Final[dict[RemovalState, removal_pb2.RemovalState]] = {
    RemovalState.ISSUED: removal_pb2.REMOVAL_STATE_ISSUED,
    RemovalState.DELIVERED: removal_pb2.REMOVAL_STATE_DELIVERED,
    RemovalState.ACKNOWLEDGED: removal_pb2.REMOVAL_STATE_ACKNOWLEDGED,
    RemovalState.DELETED: removal_pb2.REMOVAL_STATE_DELETED,
    RemovalState.LAPSED: removal_pb2.REMOVAL_STATE_LAPSED,
    RemovalState.OVERDUE: removal_pb2.REMOVAL_STATE_OVERDUE,
    RemovalState.UNREACHABLE: removal_pb2.REMOVAL_STATE_UNREACHABLE,
}
_NAMED: Final = {number: state for state, number in _STATES.items()}
_GRADES: Final[dict[ReceiptGrade, removal_pb2.ReceiptGrade]] = {
    ReceiptGrade.A0: removal_pb2.RECEIPT_GRADE_A0,
    ReceiptGrade.A1: removal_pb2.RECEIPT_GRADE_A1,
    ReceiptGrade.A2: removal_pb2.RECEIPT_GRADE_A2,
}


def state_from_wire(number: removal_pb2.RemovalState) -> RemovalState | None:
    """None for unspecified: all. Raises InvalidArgument."""
    if number == removal_pb2.REMOVAL_STATE_UNSPECIFIED:
        return None
    if number not in _NAMED:
        raise InvalidArgument(Reason.FIELD_INVALID, "state is not one that this server knows", field="state")
    return _NAMED[number]


def time_from_wire(message: Message, field: str) -> datetime | None:
    """Raises InvalidArgument for a time outside the years 1 to 9999."""
    if not message.HasField(field):
        return None
    wire: Timestamp = getattr(message, field)
    try:
        return wire.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} is no time", field=field) from None


def submission_from_wire(receipt: removal_pb2.DeletionReceipt) -> Submission:
    """Raises InvalidArgument. What the server sets (grade, countersignature, log) is not looked at."""
    if not receipt.set:
        raise refused("is missing")
    if not receipt.HasField("evidence"):
        return Submission(set=receipt.set, signature=receipt.signature)
    return Submission(
        set=receipt.set,
        signature=receipt.signature,
        evidence=evidence_from_wire(receipt.evidence),
        evidence_bytes=receipt.evidence.SerializeToString(deterministic=True),
    )


def removal_to_wire(removal: Removal) -> removal_pb2.Removal:
    message = removal_pb2.Removal(
        name=str(removal.name),
        device=str(removal.device),
        artifact=str(removal.artifact),
        consent="" if removal.consent is None else str(removal.consent),
        state=_STATES[removal.state],
        grade=_GRADES[removal.grade] if removal.grade is not None else removal_pb2.RECEIPT_GRADE_UNSPECIFIED,
        reason=removal.reason,
    )
    times = ("effective_time", "deadline", "issue_time", "deliver_time", "acknowledge_time", "receipt_time")
    for field in (*times, "lease_end_time"):
        moment: datetime | None = getattr(removal, field)
        if moment is not None:
            getattr(message, field).FromDatetime(moment)
    if removal.receipt is not None:
        _write_receipt(message.receipt, removal.receipt)
    return message


def report_to_wire(report: Report) -> removal_pb2.RemovalReport:
    message = removal_pb2.RemovalReport(
        states={state.value: count for state, count in report.states.items()},
        grades={grade.value: count for grade, count in report.grades.items()},
        overdue=[removal_to_wire(each) for each in report.overdue],
        daily_roots=[_day_to_wire(each) for each in report.daily_roots],
    )
    for field in ("since", "until", "report_time"):
        getattr(message, field).FromDatetime(getattr(report, field))
    if report.to_acknowledgement is not None:
        message.to_acknowledgement.CopyFrom(_percentiles_to_wire(report.to_acknowledgement))
    if report.to_receipt is not None:
        message.to_receipt.CopyFrom(_percentiles_to_wire(report.to_receipt))
    return message


def _write_receipt(message: removal_pb2.DeletionReceipt, receipt: Receipt) -> None:
    message.set = receipt.set
    message.signature = receipt.signature
    message.grade = _GRADES[receipt.grade]
    message.countersigned = receipt.countersigned
    if receipt.evidence:
        message.evidence.CopyFrom(devices_pb2.Evidence.FromString(receipt.evidence))
    message.countersignature.CopyFrom(service_signature_to_wire(receipt.countersignature))
    write_promise(message.log, receipt.promise)


def _day_to_wire(day: DayRoot) -> removal_pb2.DailyRoot:
    return removal_pb2.DailyRoot(
        day=day.day,
        root=day.root,
        size=day.size,
        payload=day.payload,
        signature=service_signature_to_wire(day.signature),
        log=promise_to_wire(day.promise),
    )


def _percentiles_to_wire(found: Percentiles) -> removal_pb2.RemovalReport.Percentiles:
    return removal_pb2.RemovalReport.Percentiles(
        count=found.count,
        p50_seconds=found.p50.total_seconds(),
        p99_seconds=found.p99.total_seconds(),
        max_seconds=found.longest.total_seconds(),
    )
