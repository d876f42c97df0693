"""The part of LogService that reads entries, opens and erases commitments, and gives COSE receipts.

Entries are told to every role that may call this, whoever's they are: the public files show all of them. Finding and
opening is for the caller's own tenant: the index and the salts are not public.
"""

import contextlib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hallmark.v1 import log_pb2
from hallmark_tlog.cose import Algorithm
from kms.core.call import Call
from kms.core.errors import InvalidArgument, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import TenantName
from kms.log.entries.entry_stream import EntryStream
from kms.log.entries.erasing import CommitmentService, EraseTarget
from kms.log.entries.finding import EntryFinder, page_size, page_token, read_page_token
from kms.log.entries.search_store import Filter
from kms.log.model import StoredEntry
from kms.log.receipts.receipt_keys import ALGORITHMS
from kms.log.receipts.receipts import CoseReceipts
from kms.log.wire import checkpoint_to_wire, entry_named, event_key_of, write_promise

_SUBJECT_CHARACTERS_MAX: Final = 512
_TYPE_CHARACTERS_MAX: Final = 128
_PERSON_CHARACTERS_MAX: Final = 256
_REASON_CHARACTERS_MAX: Final = 256
_BELOW: Final = "/*"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EntryServices:
    finder: EntryFinder
    stream: EntryStream
    commitments: CommitmentService
    receipts: CoseReceipts


class EntriesRpc:
    def __init__(self, services: EntryServices, *, origin: str) -> None:
        self._entries = services
        self._log_origin = origin

    async def GetEntry(self, request: log_pb2.GetEntryRequest, _call: Call) -> log_pb2.EntryRecord:
        return _record(await self._entries.finder.get(entry_named(request)))

    async def StreamEntries(
        self, request: log_pb2.StreamEntriesRequest, _call: Call
    ) -> AsyncGenerator[log_pb2.StreamEntriesResponse, None]:
        if request.start_index < 0:
            raise _invalid("start_index", "must not be negative")
        frames = self._entries.stream.read(request.start_index, follow=request.follow)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                response = log_pb2.StreamEntriesResponse(entries=map(_record, frame.entries))
                if frame.checkpoint is not None:
                    response.checkpoint.CopyFrom(checkpoint_to_wire(frame.checkpoint, self._log_origin))
                yield response

    async def ListEntries(self, request: log_pb2.ListEntriesRequest, call: Call) -> log_pb2.ListEntriesResponse:
        wanted = _filter(request, _own_tenant(request.parent, call))
        after = read_page_token(wanted, request.page_token)
        page = await self._entries.finder.list(wanted, after, limit=page_size(request.page_size))
        return log_pb2.ListEntriesResponse(
            entries=map(_record, page.entries),
            next_page_token=page_token(wanted, page.end),
            indexed_size=page.indexed_size,
        )

    async def OpenCommitments(
        self, request: log_pb2.OpenCommitmentsRequest, call: Call
    ) -> log_pb2.OpenCommitmentsResponse:
        opened = await self._entries.commitments.open(call.caller.tenant, event_key_of(request.event_key))
        openings = [
            log_pb2.OpenCommitmentsResponse.Opening(name=one.name, salt=one.salt, commitment=one.commitment)
            for one in opened.openings
        ]
        return log_pb2.OpenCommitmentsResponse(openings=openings, entry=opened.entry.data)

    async def EraseCommitments(
        self, request: log_pb2.EraseCommitmentsRequest, call: Call
    ) -> log_pb2.EraseCommitmentsResponse:
        erasure, _ = await self._entries.commitments.erase(
            _own_tenant(request.parent, call),
            _target(request),
            reason=_text(request.reason, "reason", _REASON_CHARACTERS_MAX),
            request=RequestKey.of_message(call.caller, call.method, request, without=("person", "reason")),
            now=call.now,
        )
        response = log_pb2.EraseCommitmentsResponse(erased_entries=erasure.erased_entries)
        response.erase_time.FromDatetime(erasure.erase_time)
        write_promise(response.log, erasure.promise)
        return response

    async def GetCoseReceipt(self, request: log_pb2.GetCoseReceiptRequest, _call: Call) -> log_pb2.CoseReceipt:
        algorithm = request.algorithm or int(Algorithm.EDDSA)
        if algorithm not in ALGORITHMS:
            raise _invalid("algorithm", "must be -8 (EdDSA) or -48 (ML-DSA-44), or be left out")
        made = await self._entries.receipts.receipt(entry_named(request), Algorithm(algorithm))
        return log_pb2.CoseReceipt(
            receipt=made.receipt,
            entry=made.entry.data,
            leaf_index=made.entry.index,
            tree_size=made.tree_size,
            cose_key=made.key,
        )


def _record(entry: StoredEntry) -> log_pb2.EntryRecord:
    return log_pb2.EntryRecord(leaf_index=entry.index, leaf_hash=entry.leaf_hash, entry=entry.data)


def _own_tenant(parent: str, call: Call) -> str:
    """Raises InvalidArgument, NotFound."""
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


def _filter(request: log_pb2.ListEntriesRequest, tenant: str) -> Filter:
    """Raises InvalidArgument."""
    subject = _text(request.subject, "subject", _SUBJECT_CHARACTERS_MAX)
    below = subject.endswith(_BELOW)
    if subject.removesuffix(_BELOW).count("*") or subject == _BELOW:
        raise _invalid("subject", "must be a subject, or one with /* behind it for all below it")
    return Filter(
        tenant=tenant,
        subject=subject.removesuffix("*") if below else subject,
        below=below,
        event_type=_text(request.event_type, "event_type", _TYPE_CHARACTERS_MAX),
        start_time=_time(request, "start_time"),
        end_time=_time(request, "end_time"),
        oldest_first=request.oldest_first,
    )


def _time(request: log_pb2.ListEntriesRequest, field: str) -> datetime | None:
    """Raises InvalidArgument."""
    if not request.HasField(field):
        return None
    try:
        moment: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _invalid(field, "is not a time between the years 1 and 9999") from None
    return moment


def _target(request: log_pb2.EraseCommitmentsRequest) -> EraseTarget:
    """Raises InvalidArgument."""
    match request.WhichOneof("target"):
        case "event_key":
            return EraseTarget(event_key=event_key_of(request.event_key))
        case "person" if request.person:
            return EraseTarget(person=_text(request.person, "person", _PERSON_CHARACTERS_MAX))
        case _:
            raise _invalid("target", "must be the event_key of an entry, or the person it was appended with")


def _text(value: str, field: str, characters_max: int) -> str:
    """Raises InvalidArgument."""
    if len(value) > characters_max or _CONTROL.search(value):
        raise _invalid(field, f"must be at most {characters_max} characters without control characters")
    return value


def _invalid(field: str, sentence: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, f"{field} {sentence}", field=field)
