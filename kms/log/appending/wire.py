"""Events on the wire: reading what callers ask to append, writing what they get."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from hallmark.v1 import log_pb2
from kms.core.call import Call
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import TenantName
from kms.log.appending.appending import Appended, AppendWait, Event, event_key_of
from kms.log.wire import write_promise

BATCH_MAX: Final = 512
_TYPE_CHARACTERS_MAX: Final = 128
_SUBJECT_CHARACTERS_MAX: Final = 512
_PERSON_CHARACTERS_MAX: Final = 256
_FACTS_MAX: Final = 64
_PERSONAL_MAX: Final = 16
_VALUE_BYTES_MAX: Final = 4096
_OWN_PREFIX: Final = "hallmark"
_TYPE: Final = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9_-]*){2,}", re.ASCII)
"""Two dots and more: types with one dot are the service's own (kms.log.entries.event_types)."""
_SUBJECT: Final = re.compile(r"[!-~]+", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_parse_tenant: Final = lru_cache(maxsize=1024)(TenantName.parse)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def event_of(request: log_pb2.AppendEntryRequest, call: Call, *, batch_tenant: str | None = None) -> Event:
    """Raises InvalidArgument, NotFound for another tenant."""
    return Event(
        event_key=event_key_of(call.caller, request.request_id),
        tenant=tenant_of(request.parent, call) if request.parent or batch_tenant is None else batch_tenant,
        by=call.caller.spiffe_id,
        event_type=_event_type(request.event_type),
        subject=_subject(request.subject),
        facts=_facts(request.details, "details", _FACTS_MAX),
        personal=_facts(request.personal, "personal", _PERSONAL_MAX),
        person=_person(request.person),
    )


def tenant_of(parent: str, call: Call) -> str:
    """Raises InvalidArgument, NotFound."""
    tenant = _parse_tenant(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


def wait_of(wait: log_pb2.AppendWait) -> AppendWait:
    """Raises InvalidArgument for a value this version does not know."""
    match wait:
        case log_pb2.APPEND_WAIT_UNSPECIFIED | log_pb2.APPEND_WAIT_PUBLISHED:
            return AppendWait.PUBLISHED
        case log_pb2.APPEND_WAIT_SEQUENCED:
            return AppendWait.SEQUENCED
        case log_pb2.APPEND_WAIT_COMMITTED:
            return AppendWait.COMMITTED
        case _:
            raise _invalid("wait", "must be COMMITTED, SEQUENCED or PUBLISHED, or be left out")


def write_appended(message: log_pb2.AppendEntryResponse, appended: Appended, *, whole_proof: bool = True) -> None:
    """Without `whole_proof` the checkpoint is left out of the proof: it stands elsewhere in the answer."""
    write_promise(message.log, appended.promise)
    receipt = appended.receipt
    if receipt is not None:
        message.log.leaf_index = receipt.leaf_index
        if receipt.proof_head is not None:
            message.log.tlog_proof = receipt.proof_head + receipt.checkpoint if whole_proof else receipt.proof_head
    if appended.replayed:
        message.replayed = True
    for name, salt in appended.salts.items():
        message.salts[name] = salt


def _event_type(text: str) -> str:
    if len(text) > _TYPE_CHARACTERS_MAX or not _TYPE.fullmatch(text):
        raise _invalid("event_type", "must be a name in reverse domain form, such as com.example.model.released")
    if text.split(".", 1)[0] == _OWN_PREFIX:
        raise _invalid("event_type", f"must not begin with {_OWN_PREFIX}: those are the service's own")
    return text


def _subject(text: str) -> str:
    if len(text) > _SUBJECT_CHARACTERS_MAX or not _SUBJECT.fullmatch(text):
        raise _invalid(
            "subject", f"must be a resource name or URI: 1 to {_SUBJECT_CHARACTERS_MAX} visible ASCII characters"
        )
    return text


def _person(text: str) -> str | None:
    if len(text) > _PERSON_CHARACTERS_MAX or _CONTROL.search(text):
        raise _invalid("person", f"must be at most {_PERSON_CHARACTERS_MAX} characters without control characters")
    return text or None


def _facts(given: Mapping[str, str], field: str, count_max: int) -> dict[str, str]:
    if len(given) > count_max:
        raise _invalid(field, f"must be at most {count_max} facts")
    for name, value in given.items():
        if not _NAME.fullmatch(name):
            raise _invalid(field, "has a name that is not 1 to 64 letters, digits and _ . - with a letter or _ first")
        if len(value) > _VALUE_BYTES_MAX or len(value.encode()) > _VALUE_BYTES_MAX:
            raise _invalid(field, f"has a value of more than {_VALUE_BYTES_MAX} bytes")
    return dict(given)


def _invalid(field: str, sentence: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, f"{field} {sentence}", field=field)
