"""Removals and reports from the wire; receipts to it."""

from collections.abc import Sequence
from typing import Any

from hallmark.v1 import removal_pb2
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.devices import Evidence
from hallmark_client.model.enums import EvidenceFormat
from hallmark_client.model.removals import (
    DailyRoot,
    DeletionReceipt,
    Percentiles,
    ReceiptGrade,
    Removal,
    RemovalReport,
    RemovalState,
)
from hallmark_client.wire.devices import evidence_argument
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment, moment_or_none
from hallmark_client.wire.signed import signature_of

_STATE = "REMOVAL_STATE_"
_GRADE = "RECEIPT_GRADE_"


def state_argument(value: str) -> Any:
    """A state as callers write it, any case. Raises InvalidArgument that lists the choices."""
    choices = [state.value for state in RemovalState if state is not RemovalState.UNKNOWN]
    if value.upper() not in choices:
        raise InvalidArgument("FIELD_INVALID", f"state {value!r} is not one of: {', '.join(choices)}")
    return removal_pb2.RemovalState.Value(_STATE + value.upper())


def receipt_argument(receipt: DeletionReceipt) -> removal_pb2.DeletionReceipt:
    """Raises InvalidArgument for a format of evidence that is none."""
    evidence = None if receipt.evidence is None else evidence_argument(receipt.evidence)
    return removal_pb2.DeletionReceipt(set=receipt.set, signature=receipt.signature, evidence=evidence)


def removal_of(wire: removal_pb2.Removal, *, replayed: bool = False) -> Removal:
    return Removal(
        name=wire.name,
        device=wire.device,
        artifact=wire.artifact,
        consent=wire.consent,
        state=_state_of(wire.state),
        grade=_grade_of(wire.grade) if wire.grade else None,
        effective_time=moment(wire.effective_time),
        deadline=moment(wire.deadline),
        issue_time=moment(wire.issue_time),
        deliver_time=moment_or_none(wire, "deliver_time"),
        acknowledge_time=moment_or_none(wire, "acknowledge_time"),
        receipt_time=moment_or_none(wire, "receipt_time"),
        lease_end_time=moment_or_none(wire, "lease_end_time"),
        reason=wire.reason,
        receipt=_receipt_of(wire.receipt) if wire.HasField("receipt") else None,
        replayed=replayed,
    )


def submitted_of(wire: removal_pb2.DeletionReceiptResponse) -> Removal:
    return removal_of(wire.removal, replayed=wire.replayed)


def removals_of(wire: removal_pb2.ListRemovalsResponse) -> tuple[Sequence[Removal], str]:
    """A page, and the token of the next."""
    return [removal_of(removal) for removal in wire.removals], wire.next_page_token


def report_of(wire: removal_pb2.RemovalReport) -> RemovalReport:
    return RemovalReport(
        since=moment(wire.since),
        until=moment(wire.until),
        report_time=moment(wire.report_time),
        states=dict(wire.states),
        grades=dict(wire.grades),
        to_acknowledgement=_percentiles_of(wire.to_acknowledgement) if wire.HasField("to_acknowledgement") else None,
        to_receipt=_percentiles_of(wire.to_receipt) if wire.HasField("to_receipt") else None,
        overdue=tuple(removal_of(removal) for removal in wire.overdue),
        daily_roots=tuple(_day_of(day) for day in wire.daily_roots),
    )


def _receipt_of(wire: removal_pb2.DeletionReceipt) -> DeletionReceipt:
    return DeletionReceipt(
        set=wire.set,
        signature=wire.signature,
        evidence=_evidence_of(wire) if wire.HasField("evidence") else None,
        grade=_grade_of(wire.grade),
        countersigned=wire.countersigned,
        countersignature=signature_of(wire.countersignature) if wire.HasField("countersignature") else None,
        log=promise_of(wire.log) if wire.HasField("log") else None,
    )


def _evidence_of(wire: removal_pb2.DeletionReceipt) -> Evidence:
    given = wire.evidence
    return Evidence(
        format=member_of(EvidenceFormat, given.format) if given.format else None,
        parts=tuple((part.name, part.data) for part in given.parts),
        certificates=tuple(given.certificates),
        cmw=given.cmw,
        media_type=given.media_type,
    )


def _day_of(wire: removal_pb2.DailyRoot) -> DailyRoot:
    return DailyRoot(
        day=wire.day,
        root=wire.root,
        size=wire.size,
        payload=wire.payload,
        signature=signature_of(wire.signature),
        log=promise_of(wire.log),
    )


def _percentiles_of(wire: removal_pb2.RemovalReport.Percentiles) -> Percentiles:
    return Percentiles(
        count=wire.count, p50_seconds=wire.p50_seconds, p99_seconds=wire.p99_seconds, max_seconds=wire.max_seconds
    )


def _state_of(number: removal_pb2.RemovalState) -> RemovalState:
    """UNKNOWN for unspecified and for values of a newer server, as everywhere."""
    known = removal_pb2.RemovalState
    name = known.Name(number).removeprefix(_STATE) if number in known.values() else ""
    return RemovalState.__members__.get(name, RemovalState.UNKNOWN)


def _grade_of(number: removal_pb2.ReceiptGrade) -> ReceiptGrade:
    known = removal_pb2.ReceiptGrade
    name = known.Name(number).removeprefix(_GRADE) if number in known.values() else ""
    return ReceiptGrade.__members__.get(name, ReceiptGrade.UNKNOWN)
