"""The fake's entries as LogService reads them: finding, following, opening, erasing, receipts. All in memory."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import log_pb2
from hallmark_client.testing.log import EntryRequest, entry_missing
from hallmark_client.testing.refusals import invalid, precondition, refusal, unreachable
from hallmark_client.testing.running import Running
from hallmark_client.testing.state import State
from hallmark_tlog import prove
from hallmark_tlog.cose import Algorithm
from hallmark_tlog.cose_keys import encode_key, thumbprint
from hallmark_tlog.cose_receipt import inclusion_receipt, receipt_header, receipt_message
from hallmark_tlog.entry import Entry, parse_entry

_ENTRIES_MAX: Final = 256
_PAGE_DEFAULT: Final = 64
_TEXT_MAX: Final = 256
_MARK_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class FakeEntries:
    """LogService, as far as it reads entries."""

    state: State
    _receipt_keys: dict[Algorithm, Ed25519PrivateKey | MLDSA44PrivateKey] = field(default_factory=dict)

    def get(self, request: log_pb2.GetEntryRequest) -> log_pb2.EntryRecord:
        return self._record(self._index(request))

    def list(self, request: log_pb2.ListEntriesRequest) -> log_pb2.ListEntriesResponse:
        self.state.check_parent(request.parent)
        if not 0 <= request.page_size <= _ENTRIES_MAX:
            raise invalid("page_size", f"must be 0 to {_ENTRIES_MAX}")
        if request.subject.removesuffix("/*").count("*"):
            raise invalid("subject", "must be a subject, or one with /* behind it for all below it")
        log = self.state.log
        log.publish(self.state.now())
        entries = [(index, parse_entry(log.entry(index))) for index in range(log.size)]
        found = sorted(
            ((entry.time, index) for index, entry in entries if self._fits(request, entry)),
            reverse=not request.oldest_first,
        )
        begin = _read_token(request, [index for _, index in found])
        size = request.page_size or _PAGE_DEFAULT
        page = [index for _, index in found[begin : begin + size]]
        token = _mark(request) + str(page[-1]) if begin + size < len(found) else ""
        return log_pb2.ListEntriesResponse(
            entries=map(self._record, page), next_page_token=token, indexed_size=log.size
        )

    def stream(
        self, running: Running, request: log_pb2.StreamEntriesRequest, is_cancelled: Callable[[], bool]
    ) -> Iterator[log_pb2.StreamEntriesResponse]:
        """Until cancelled, drained or stopped; without `follow` until the end."""
        log, place, shown, generation = self.state.log, request.start_index, b"", running.generation
        if place < 0:
            raise invalid("start_index", "must not be negative")
        while True:
            with running.condition:
                if running.generation != generation:
                    raise unreachable()
                checkpoint = log.get_checkpoint(self.state.now())
                if place > checkpoint.size:
                    raise refusal(grpc.StatusCode.OUT_OF_RANGE, "TREE_SIZE_UNKNOWN", "so much is not published")
                stop = min(place + _ENTRIES_MAX, checkpoint.size)
                message = log_pb2.StreamEntriesResponse(entries=map(self._record, range(place, stop)))
                if checkpoint.note != shown:
                    message.checkpoint.CopyFrom(checkpoint)
                at_end = stop == checkpoint.size and not (request.follow and running.goodbye_wait_seconds is None)
                if not message.entries and not message.HasField("checkpoint") and not at_end:
                    running.condition.wait()
                    if is_cancelled():
                        return
                    continue
            place, shown = stop, checkpoint.note
            yield message
            if at_end:
                return

    def open(self, request: log_pb2.OpenCommitmentsRequest) -> log_pb2.OpenCommitmentsResponse:
        log = self.state.log
        index = self._index(log_pb2.GetEntryRequest(event_key=_event_key(request.event_key)))
        entry = parse_entry(log.entry(index))
        if entry.tenant != self.state.tenant:
            raise entry_missing()
        salts = log.salts.get(request.event_key, {})
        if entry.commitments and not salts:
            raise precondition("COMMITMENT_ERASED", "the salts of this entry were erased")
        openings = [
            log_pb2.OpenCommitmentsResponse.Opening(name=name, salt=salt, commitment=entry.commitments[name])
            for name, salt in sorted(salts.items())
        ]
        return log_pb2.OpenCommitmentsResponse(openings=openings, entry=log.entry(index))

    def erase(self, request: log_pb2.EraseCommitmentsRequest) -> log_pb2.EraseCommitmentsResponse:
        self.state.check_parent(request.parent)
        if len(request.reason) > _TEXT_MAX:
            raise invalid("reason", f"must be at most {_TEXT_MAX} characters")
        erased, details = self._erased(request)
        facts = {name: value for name, value in (("person", request.person), ("reason", request.reason)) if value}
        promise = self.state.record(
            "log.commitments_erased",
            request.parent,
            {**details, "erased_entries": len(erased)},
            wait=0,
            committed=facts,
        )
        response = log_pb2.EraseCommitmentsResponse(erased_entries=len(erased), log=promise)
        response.erase_time.FromDatetime(self.state.now())
        return response

    def receipt(self, request: log_pb2.GetCoseReceiptRequest) -> log_pb2.CoseReceipt:
        number = request.algorithm or int(Algorithm.EDDSA)
        if number not in {Algorithm.EDDSA, Algorithm.ML_DSA_44}:
            raise invalid("algorithm", "must be -8 (EdDSA) or -48 (ML-DSA-44), or be left out")
        algorithm, log, index = Algorithm(number), self.state.log, self._index(request)
        private = self._receipt_keys.get(algorithm) or (
            Ed25519PrivateKey.generate() if algorithm is Algorithm.EDDSA else MLDSA44PrivateKey.generate()
        )
        self._receipt_keys[algorithm] = private
        public = private.public_key().public_bytes_raw()
        kid = thumbprint(algorithm, public)
        protected = receipt_header(algorithm=algorithm, kid=kid, issuer=log.origin, subject=log.origin)
        path = prove.inclusion_proof(index, log.size, log.read_hash)
        signature = private.sign(receipt_message(protected, prove.root_at(log.size, log.read_hash)))
        return log_pb2.CoseReceipt(
            receipt=inclusion_receipt(protected, signature, size=log.size, index=index, path=path),
            entry=log.entry(index),
            leaf_index=index,
            tree_size=log.size,
            cose_key=encode_key(algorithm, public),
        )

    def _erased(self, request: log_pb2.EraseCommitmentsRequest) -> tuple[set[str], dict[str, str]]:
        """Event keys whose salts are gone now, and what the log says of the target."""
        log = self.state.log
        match request.WhichOneof("target"):
            case "event_key":
                key = _event_key(request.event_key)
                if parse_entry(log.entry(log.index_of(key))).tenant != self.state.tenant:
                    raise entry_missing()
                return ({key} if log.salts.pop(key, None) else set()), {"of": key}
            case "person" if request.person:
                keys = {key for key, person in log.persons.items() if person == request.person and key in log.salts}
                for key in keys:
                    del log.salts[key]
                return keys, {}
            case _:
                raise invalid("target", "must be the event_key of an entry, or the person it was appended with")

    def _index(self, request: EntryRequest) -> int:
        log = self.state.log
        log.publish(self.state.now())
        index = log.index_of(_event_key(request.event_key)) if request.HasField("event_key") else request.leaf_index
        if not 0 <= index < log.size:
            raise entry_missing()
        return index

    def _record(self, index: int) -> log_pb2.EntryRecord:
        log = self.state.log
        return log_pb2.EntryRecord(leaf_index=index, leaf_hash=log.leaf_hash(index), entry=log.entry(index))

    def _fits(self, request: log_pb2.ListEntriesRequest, entry: Entry) -> bool:
        below = request.subject.endswith("/*")
        return (
            entry.tenant == self.state.tenant
            and (not request.event_type or entry.event_type == request.event_type)
            and (not request.subject or below or entry.subject == request.subject)
            and (not below or entry.subject.startswith(request.subject.removesuffix("*")))
            and (not request.HasField("start_time") or entry.time >= _time(request.start_time))
            and (not request.HasField("end_time") or entry.time < _time(request.end_time))
        )


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _event_key(text: str) -> str:
    if not 1 <= len(text) <= 64:
        raise invalid("event_key", "must be that of a log promise")
    return text


def _mark(request: log_pb2.ListEntriesRequest) -> str:
    """Of everything but page size and token: a token serves one filter."""
    body = log_pb2.ListEntriesRequest()
    body.CopyFrom(request)
    body.ClearField("page_size")
    body.ClearField("page_token")
    return hashlib.sha256(body.SerializeToString(deterministic=True)).hexdigest()[:_MARK_DIGITS]


def _read_token(request: log_pb2.ListEntriesRequest, indices: list[int]) -> int:
    """Where to begin."""
    token = request.page_token
    if not token:
        return 0
    index = token.removeprefix(_mark(request))
    if index == token or not index.isdecimal() or int(index) not in indices:
        raise invalid("page_token", "was not given out for this parent and filter", "PAGE_TOKEN_INVALID")
    return indices.index(int(index)) + 1
