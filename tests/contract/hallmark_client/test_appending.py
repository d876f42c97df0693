import dataclasses
import uuid

import pytest

from hallmark_client import Client
from hallmark_client.errors import AlreadyExists, HallmarkError, InvalidArgument, PermissionDenied
from hallmark_client.model.appending import Appended, ToAppend
from hallmark_tlog.entry import parse_entry

RELEASED = "com.example.model.released"
SUBJECT = "models/example-7b/versions/12"


@pytest.fixture
def backend(client_under_test) -> Client:
    return client_under_test("backend")


def event(**more) -> ToAppend:
    return ToAppend(**{"event_type": RELEASED, "subject": SUBJECT, "request_id": str(uuid.uuid4()), **more})


def check(client: Client, appended: object) -> Appended:
    assert isinstance(appended, Appended), appended
    identity = client.capabilities().log
    proved = appended.log.verify(identity.verifier_keys, identity.origin)
    assert proved.leaf_index == appended.log.leaf_index
    return appended


def test_an_event_comes_back_with_its_proof(backend: Client) -> None:
    appended = check(backend, backend.log.append(RELEASED, SUBJECT, details={"digest": "sha256:ü"}))
    entry = parse_entry(appended.log.entry)
    assert (entry.event_type, entry.subject, entry.tenant) == (RELEASED, SUBJECT, backend.tenant)
    assert entry.event_key == appended.log.event_key
    assert entry.details["facts"] == {"digest": "sha256:ü"}
    assert "/backend/" in entry.details["by"] or entry.details["by"] == "backend"
    assert not appended.replayed


def test_facts_about_people_are_commitments_that_their_salts_open(backend: Client) -> None:
    personal = {"approver": "Ada Lovelace", "mail": "ada@example.com"}
    appended = check(backend, backend.log.append(RELEASED, SUBJECT, personal=personal, person="p-1"))
    assert b"Ada" not in appended.log.entry
    assert appended.salts.keys() == personal.keys()
    openings = backend.log.open(appended.log.event_key)
    for name, value in personal.items():
        assert openings.verify(name, value).value == value
    assert {one.name: one.salt for one in openings.openings} == appended.salts


def test_the_same_call_again_is_the_same_entry(backend: Client, admin: Client) -> None:
    one = event(personal={"who": "Ada"}, person=f"p-{uuid.uuid4()}")
    arguments = dataclasses.asdict(one)
    first = backend.log.append(**arguments)
    again = check(backend, backend.log.append(**arguments))
    assert again.replayed
    assert (again.log.entry, again.log.leaf_index, again.salts) == (first.log.entry, first.log.leaf_index, first.salts)
    assert admin.log.append(**arguments).log.event_key != first.log.event_key, "a request_id belongs to its caller"
    for other in (
        {"subject": "models/another"},
        {"details": {"a": "b"}},
        {"personal": {"who": "Bob"}},
        {"personal": {}},
    ):
        with pytest.raises(AlreadyExists) as refused:
            backend.log.append(**{**arguments, **other})
        assert refused.value.reason == "REQUEST_ID_REUSED"
    assert admin.log.erase(event_key=first.log.event_key).erased_entries == 1
    forgotten = backend.log.append(**arguments)
    assert (forgotten.replayed, forgotten.salts, forgotten.log.entry) == (True, {}, first.log.entry)


@pytest.mark.parametrize("wait", ["committed", "sequenced"])
def test_who_does_not_wait_for_the_proof_gets_it_later(backend: Client, wait) -> None:
    one = dataclasses.asdict(event())
    appended = backend.log.append(**one, wait=wait)
    assert appended.log.tlog_proof == b""
    if wait == "sequenced":
        assert appended.log.leaf_index is not None
    later = check(backend, backend.log.append(**one))
    assert (later.replayed, later.log.entry) == (True, appended.log.entry)


def test_many_events_share_a_checkpoint_and_each_has_its_whole_proof(backend: Client) -> None:
    items = [event(details={"n": str(number)}) for number in range(20)]
    answers = [check(backend, answer) for answer in backend.log.append_many(items)]
    assert [parse_entry(answer.log.entry).details["facts"]["n"] for answer in answers] == [
        str(number) for number in range(20)
    ]
    assert len({answer.log.leaf_index for answer in answers}) == 20
    again = backend.log.append_many([*items[:2], items[0]])
    assert [check(backend, answer).replayed for answer in again] == [True, True, True]
    assert [answer.log.entry for answer in again] == [answers[0].log.entry, answers[1].log.entry, answers[0].log.entry]


def test_events_of_a_batch_stand_and_fall_alone(backend: Client) -> None:
    taken = event()
    backend.log.append(**dataclasses.asdict(taken))
    answers = backend.log.append_many(
        [
            event(),
            event(event_type="key.created"),
            dataclasses.replace(taken, subject="models/another"),
            event(request_id="no-uuid"),
            event(details={f"n{number}": "x" * 4096 for number in range(17)}),
            event(),
        ]
    )
    reasons = [answer.reason if isinstance(answer, HallmarkError) else "" for answer in answers]
    assert reasons == ["", "FIELD_INVALID", "REQUEST_ID_REUSED", "REQUEST_ID_INVALID", "MESSAGE_TOO_LARGE", ""]
    for answer in (answers[0], answers[-1]):
        check(backend, answer)
    with pytest.raises(InvalidArgument):
        backend.log.append_many([])


def test_a_batch_need_not_wait_for_proofs(backend: Client) -> None:
    answers = backend.log.append_many([event(), event()], wait="sequenced")
    assert all(isinstance(answer, Appended) and answer.log.tlog_proof == b"" for answer in answers)


def test_a_stream_answers_every_event_once(backend: Client) -> None:
    items = [event(request_id=None, details={"n": str(number)}) for number in range(50)]
    items[7] = event(event_type="one.dot")
    answers = list(backend.log.append_stream(iter(items), outstanding_max=8))
    assert len({item.request_id for item, _ in answers}) == 50
    told = {item.details.get("n"): outcome for item, outcome in answers}
    assert isinstance(told.pop(None), InvalidArgument)
    for number, outcome in told.items():
        facts = parse_entry(check(backend, outcome).log.entry).details["facts"]
        assert facts == {"n": number}


def test_leaving_a_stream_early_ends_it(backend: Client) -> None:
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield event()

    stream = backend.log.append_stream(endless(), outstanding_max=4)
    _, first = next(stream)
    check(backend, first)
    stream.close()
    assert len(taken) <= 40, "never far ahead of the answers"


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_type": "key.created"},
        {"event_type": "hallmark.log.closed"},
        {"event_type": "Com.Example.X"},
        {"event_type": "com.example." + "x" * 128},
        {"subject": ""},
        {"subject": "two words"},
        {"subject": "x" * 513},
        {"details": {"": "x"}},
        {"details": {"1st": "x"}},
        {"details": {f"n{number}": "" for number in range(65)}},
        {"details": {"n": "x" * 4097}},
        {"personal": {f"n{number}": "" for number in range(17)}},
        {"person": "x" * 257},
        {"person": "a\nb"},
        {"request_id": "abc"},
        {"wait": "soon"},
    ],
    ids=str,
)
def test_what_no_entry_can_hold_is_refused(backend: Client, wrong) -> None:
    with pytest.raises(InvalidArgument):
        backend.log.append(**{"event_type": RELEASED, "subject": SUBJECT, **wrong})


@pytest.mark.parametrize("role", ["auditor", "device"])
def test_only_signers_append(client_under_test, role) -> None:
    client = client_under_test(role)
    with pytest.raises(PermissionDenied):
        client.log.append(RELEASED, SUBJECT)
    with pytest.raises(PermissionDenied):
        client.log.append_many([event()])
    with pytest.raises(PermissionDenied):
        list(client.log.append_stream([event()]))
