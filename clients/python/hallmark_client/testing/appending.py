"""Appending to the fake's log, as LogService does it: the log itself remembers what was appended."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import grpc

from hallmark.v1 import log_pb2
from hallmark_client.errors import HallmarkError
from hallmark_client.testing.refusals import invalid, refusal, refusal_to_status
from hallmark_client.testing.state import State
from hallmark_tlog.bundles import MAX_ENTRY_BYTES
from hallmark_tlog.entry import SALT_BYTES, Entry, commitment_to, parse_entry

BATCH_MAX: Final = 512
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TYPE: Final = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9_-]*){2,}", re.ASCII)
_SUBJECT: Final = re.compile(r"[!-~]{1,512}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_HEAD_END: Final = b"\n\n"


@dataclass(slots=True)
class FakeAppending:
    """`caller` is set before each call: who makes it."""

    state: State
    caller: str = ""

    def append(self, request: log_pb2.AppendEntryRequest) -> log_pb2.AppendEntryResponse:
        self.state.check_parent(request.parent)
        _check(request)
        key = f"{request.request_id}.{hashlib.sha256(self.caller.encode()).hexdigest()[:16]}"
        log = self.state.log
        is_new = not log.has(key)
        if is_new:
            self._record(key, request)
        elif not self._is_same(parse_entry(log.entry(log.index_of(key))), request, log.salts.get(key, {})):
            sentence = "this request_id appended another event before; make a new one for each event"
            raise refusal(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", sentence)
        published = request.wait in {log_pb2.APPEND_WAIT_UNSPECIFIED, log_pb2.APPEND_WAIT_PUBLISHED}
        response = log_pb2.AppendEntryResponse(
            log=log.promise(key, self.state.now(), published=published),
            replayed=not is_new,
            salts=log.salts.get(key, {}),
        )
        response.log.leaf_index = log.index_of(key)
        return response

    def append_many(self, request: log_pb2.BatchAppendEntriesRequest) -> log_pb2.BatchAppendEntriesResponse:
        """Proofs are cut where the checkpoint begins, which all share and which stands in the answer once."""
        self.state.check_parent(request.parent)
        if not 1 <= len(request.requests) <= BATCH_MAX:
            raise invalid("requests", f"a batch has 1 to {BATCH_MAX} requests", "BATCH_TOO_LARGE")
        response = log_pb2.BatchAppendEntriesResponse()
        for one in request.requests:
            alone = log_pb2.AppendEntryRequest()
            alone.CopyFrom(one)
            alone.parent, alone.wait = one.parent or request.parent, log_pb2.APPEND_WAIT_SEQUENCED
            result = response.results.add()
            try:
                result.response.CopyFrom(self.append(alone))
            except HallmarkError as error:
                result.error.CopyFrom(refusal_to_status(error))
        if request.wait in {log_pb2.APPEND_WAIT_UNSPECIFIED, log_pb2.APPEND_WAIT_PUBLISHED}:
            self._add_proofs(response)
        return response

    def answer(self, request: log_pb2.AppendEntryRequest) -> log_pb2.AppendStreamResponse:
        """Of one message of a stream."""
        answer = log_pb2.AppendStreamResponse(request_id=request.request_id)
        try:
            answer.response.CopyFrom(self.append(request))
        except HallmarkError as error:
            answer.error.CopyFrom(refusal_to_status(error))
        return answer

    def _record(self, key: str, request: log_pb2.AppendEntryRequest) -> None:
        log = self.state.log
        salts = {name: self.state.random_bytes(SALT_BYTES) for name in request.personal}
        commitments = {name: commitment_to(name, value, salts[name]) for name, value in request.personal.items()}
        log.record(
            key,
            request.event_type,
            request.subject,
            self.state.now(),
            {"by": self.caller, "facts": dict(request.details)},
            commitments,
            tenant=self.state.tenant,
        )
        if salts:
            log.salts[key] = salts
            if request.person:
                log.persons[key] = request.person

    def _is_same(self, entry: Entry, request: log_pb2.AppendEntryRequest, salts: Mapping[str, bytes]) -> bool:
        """Facts about people are compared through their salts; where those were erased nothing is left to compare."""
        return (
            (entry.event_type, entry.subject) == (request.event_type, request.subject)
            and entry.details == {"by": self.caller, "facts": dict(request.details)}
            and entry.commitments.keys() == request.personal.keys()
            and all(
                hmac.compare_digest(commitment_to(name, request.personal[name], salt), entry.commitments[name])
                for name, salt in salts.items()
            )
        )

    def _add_proofs(self, response: log_pb2.BatchAppendEntriesResponse) -> None:
        for result in response.results:
            if result.WhichOneof("result") == "response":
                promise = result.response.log
                whole = self.state.log.promise(promise.event_key, self.state.now(), published=True).tlog_proof
                head, end, response.checkpoint = whole.partition(_HEAD_END)
                promise.tlog_proof = head + end


def _check(request: log_pb2.AppendEntryRequest) -> None:
    """The limits that the service has."""
    if not _UUID.fullmatch(request.request_id):
        raise invalid("request_id", "must be a UUID, made once for each event", "REQUEST_ID_INVALID")
    if len(request.event_type) > 128 or not _TYPE.fullmatch(request.event_type):
        raise invalid("event_type", "must be a name in reverse domain form, such as com.example.model.released")
    if request.event_type.startswith("hallmark."):
        raise invalid("event_type", "must not begin with hallmark: those are the service's own")
    if not _SUBJECT.fullmatch(request.subject):
        raise invalid("subject", "must be a resource name or URI: 1 to 512 visible ASCII characters")
    if len(request.person) > 256 or any(ord(letter) < 32 or ord(letter) == 127 for letter in request.person):
        raise invalid("person", "must be at most 256 characters without control characters")
    for field, facts, most in (("details", request.details, 64), ("personal", request.personal, 16)):
        if len(facts) > most or not all(map(_NAME.fullmatch, facts)):
            raise invalid(field, f"must be at most {most} facts, with names of 1 to 64 letters, digits and _ . -")
        if any(len(value.encode()) > 4096 for value in facts.values()):
            raise invalid(field, "has a value of more than 4096 bytes")
    if sum(len(name) + len(value.encode()) for name, value in request.details.items()) > MAX_ENTRY_BYTES:
        raise invalid("details", "do not fit a log entry", "MESSAGE_TOO_LARGE")
    if request.wait not in log_pb2.AppendWait.values():
        raise invalid("wait", "must be COMMITTED, SEQUENCED or PUBLISHED, or be left out")
