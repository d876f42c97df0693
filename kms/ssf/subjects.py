"""Which events a stream gets: of the types it asked for, about subjects that were not removed from it.

A subject was removed when a removed one names it: a simple one by being the same, a complex one when each of its parts
is the same in the event's (SSF 1.0, section 8.1.3.1, read narrowly: a part that the event does not have is no match,
since an event too many does less harm than a revocation that nobody heard of).
"""

import json
from collections.abc import Sequence

from hallmark_events.canonical import canonical_json
from hallmark_events.errors import SubjectInvalid
from hallmark_events.subject_ids import Aliases, ComplexSubject, SubjectId, opaque, parse_subject_id
from kms.events.model import Event
from kms.ssf.errors import RequestInvalid
from kms.ssf.model import Stream


def wants(stream: Stream, removed: Sequence[SubjectId], event: Event) -> bool:
    """An event may be removed by its subject identifier, or by the resource name that its state is kept by."""
    if event.uri not in stream.wishes.events_delivered:
        return False
    if not removed:
        return True
    sub_id, own = parse_subject_id(json.loads(event.payload)["sub_id"]), opaque(event.subject)
    return not any(names(each, sub_id) or names(each, own) for each in removed)


def names(removed: SubjectId, sub_id: SubjectId) -> bool:
    """Whether an event about `sub_id` is about `removed`."""
    match removed, sub_id:
        case Aliases(identifiers), _:
            return any(names(each, sub_id) for each in identifiers)
        case ComplexSubject(parts), ComplexSubject():
            return all(sub_id.part(name) == part for name, part in parts)
        case _:
            return removed == sub_id


def subject_argument(value: object) -> SubjectId:
    """A subject identifier out of a request. Raises RequestInvalid."""
    try:
        subject = parse_subject_id(value)
        canonical_json(subject.to_json())
    except SubjectInvalid as error:
        raise RequestInvalid(f"subject: {error}") from error
    except ValueError as error:  # half of a surrogate pair
        raise RequestInvalid("subject is no text that UTF-8 can write") from error
    return subject
