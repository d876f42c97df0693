import hashlib

import pytest

from hallmark_events.canonical import canonical_json
from hallmark_events.errors import RolledBack, StateDiffers, StateInvalid
from hallmark_events.state import Applied, Change, FeedState, Ignore, Ignored, Staged, state_digest
from hallmark_events.types import ARTIFACT_SUPERSEDED, StatusValue
from unit.hallmark_events.events_world import EPOCH, LATER_EPOCH, PARENT, event, uuid7

VALID, INVALID, SUSPENDED = StatusValue.VALID, StatusValue.INVALID, StatusValue.SUSPENDED
A = f"{PARENT}/artifacts/a"
B = f"{PARENT}/artifacts/b"


def full(state: FeedState, *events, epoch: bytes = EPOCH, sequence: int = 1):
    state.begin_full(epoch)
    for one in events:
        state.apply(one)
    return state.commit_full(sequence=sequence)


@pytest.fixture
def state() -> FeedState:
    made = FeedState()
    full(made)
    return made


def test_the_newest_event_of_a_subject_counts(state) -> None:
    assert state.status_of(A) is None
    assert state.apply(event(1, "artifacts/a", SUSPENDED)) == Applied(A, None, SUSPENDED)
    assert state.apply(event(3, "artifacts/a", VALID)) == Applied(A, SUSPENDED, VALID)
    assert state.apply(event(2, "artifacts/a", SUSPENDED)) == Ignored(A, Ignore.OLD_REVISION)
    assert state.apply(event(3, "artifacts/a", VALID)) == Ignored(A, Ignore.REPEATED)
    assert state.status_of(A) is VALID


def test_invalid_is_for_ever(state) -> None:
    state.apply(event(1, "artifacts/a", INVALID))
    assert state.apply(event(2, "artifacts/a", VALID)) == Ignored(A, Ignore.ENDED)
    assert state.apply(event(3, "artifacts/a", SUSPENDED)) == Ignored(A, Ignore.ENDED)
    assert state.apply(event(4, "artifacts/a", INVALID)) == Applied(A, INVALID, INVALID)
    assert state.status_of(A) is INVALID
    assert state.mirror[A].jti == uuid7(4)


def test_invalid_counts_even_when_it_comes_late(state) -> None:
    state.apply(event(5, "artifacts/a", VALID))
    digest = state.digest()
    assert state.apply(event(2, "artifacts/a", INVALID)) == Applied(A, VALID, INVALID)
    assert state.status_of(A) is INVALID
    assert state.digest() == digest, "the server knows only the newest revision"


def test_the_digest_is_that_of_subjects_and_ids(state) -> None:
    state.apply(event(2, "artifacts/b", VALID))
    state.apply(event(1, "artifacts/a", VALID))
    expected = canonical_json([[A, uuid7(1)], [B, uuid7(2)]])
    assert state.digest() == hashlib.sha256(expected).digest()


def test_a_full_transfer_takes_effect_at_its_commit(state) -> None:
    state.apply(event(1, "artifacts/a", VALID))
    state.begin_full(EPOCH)
    assert state.is_transferring
    assert state.apply(event(2, "artifacts/b", VALID)) == Staged(B)
    assert state.status_of(B) is None
    done = state.commit_full(sequence=2)
    assert done.changes == (Change(A, VALID, None), Change(B, None, VALID))
    assert done.kept == ()
    assert not state.is_transferring


def test_a_restriction_in_a_full_transfer_holds_at_once(state) -> None:
    state.apply(event(1, "artifacts/a", VALID))
    state.begin_full(EPOCH)
    assert state.apply(event(2, "artifacts/a", SUSPENDED)) == Applied(A, VALID, SUSPENDED)
    assert state.status_of(A) is SUSPENDED
    state.go_on(EPOCH)  # the transfer is given up
    assert state.status_of(A) is SUSPENDED
    assert state.apply(event(3, "artifacts/a", VALID)) == Applied(A, SUSPENDED, VALID)


@pytest.mark.parametrize("status", [INVALID, SUSPENDED])
@pytest.mark.parametrize("epoch", [EPOCH, LATER_EPOCH])
def test_not_being_told_again_lifts_nothing(state, status, epoch) -> None:
    state.apply(event(1, "artifacts/a", status))
    done = full(state, event(2, "artifacts/b", VALID), epoch=epoch, sequence=2)
    assert done.kept == (A,)
    assert state.status_of(A) is status
    assert A not in state.mirror


def test_a_history_that_forgot_a_revocation_does_not_undo_it(state) -> None:
    state.apply(event(5, "artifacts/a", INVALID))
    full(state, event(9, "artifacts/a", VALID, revision=1), epoch=LATER_EPOCH)
    assert state.status_of(A) is INVALID
    assert state.apply(event(10, "artifacts/a", VALID, revision=2)) == Ignored(A, Ignore.ENDED)
    assert state.mirror[A].jti == uuid7(10), "the digest stays that of the server"


def test_a_suspension_of_another_history_is_lifted_by_what_was_made_later(state) -> None:
    state.apply(event(5, "artifacts/a", SUSPENDED))
    full(state, event(4, "artifacts/a", VALID, revision=8), epoch=LATER_EPOCH)
    assert state.status_of(A) is SUSPENDED
    assert state.apply(event(3, "artifacts/a", VALID, revision=9)) == Ignored(A, Ignore.NOT_LATER)
    assert state.apply(event(6, "artifacts/a", VALID, revision=10)) == Applied(A, SUSPENDED, VALID)
    assert state.status_of(A) is VALID


def test_revisions_decide_within_a_history_whatever_the_replicas_clocks_say(state) -> None:
    state.apply(event(9, "artifacts/a", SUSPENDED, revision=1))
    done = full(state, event(8, "artifacts/a", VALID, revision=2), sequence=2)
    assert done.kept == ()
    assert state.status_of(A) is VALID


@pytest.mark.parametrize(
    "told",
    [
        [event(2, "artifacts/a", VALID)],  # INVALID before
        [event(3, "artifacts/a", INVALID), event(1, "artifacts/b", VALID)],  # revision 4 before
    ],
)
def test_one_history_does_not_go_back(state, told) -> None:
    state.apply(event(1, "artifacts/a", INVALID))
    state.apply(event(4, "artifacts/b", VALID))
    before = dict(state.mirror)
    with pytest.raises(RolledBack):
        full(state, *told, sequence=2)
    assert state.mirror == before
    assert state.status_of(A) is INVALID


def test_epochs_and_sequences_only_go_up(state) -> None:
    full(state, epoch=LATER_EPOCH, sequence=5)
    for refused in (lambda: state.begin_full(EPOCH), lambda: state.go_on(EPOCH), lambda: state.begin_full(b"")):
        with pytest.raises(RolledBack):
            refused()
    with pytest.raises(RolledBack):
        state.bookmark(sequence=4)
    with pytest.raises(RolledBack):
        full(state, epoch=LATER_EPOCH, sequence=4)
    with pytest.raises(StateDiffers):
        state.go_on(LATER_EPOCH[:-1] + b"z")
    assert (state.epoch, state.sequence) == (LATER_EPOCH, 5)


def test_a_lost_event_is_noticed_at_the_bookmark(state) -> None:
    server = FeedState()
    full(server)
    for one in (event(1, "artifacts/a", VALID), event(2, "artifacts/b", VALID)):
        server.apply(one)
    state.apply(event(2, "artifacts/b", VALID))
    with pytest.raises(StateDiffers):
        state.bookmark(sequence=2, digest=server.digest())
    state.begin_full(EPOCH)
    state.apply(event(2, "artifacts/b", VALID))
    with pytest.raises(StateDiffers):
        state.commit_full(sequence=2, digest=server.digest())
    with pytest.raises(StateDiffers):
        state.commit_full(sequence=2)
    state.apply(event(1, "artifacts/a", VALID))
    state.bookmark(sequence=2, digest=server.digest())


def test_a_state_survives_being_stored(state) -> None:
    state.apply(event(1, "artifacts/a", INVALID))
    full(state, event(2, "artifacts/b", VALID), epoch=LATER_EPOCH, sequence=7)
    again = FeedState.from_json(state.to_json())
    assert again.to_json() == state.to_json()
    assert list(again.subjects()) == [A, B]
    assert again.status_of(A) is INVALID
    assert again.digest() == state.digest()
    assert FeedState.from_json(FeedState().to_json()).epoch == b""


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"VALID", b"FINE"), (b'"revision":2', b'"revision":0'), (b"-state/v1", b"-state/v9"), (b'"entry"', b'"event"')],
)
def test_a_damaged_store_is_noticed(state, old, new) -> None:
    state.apply(event(1, "artifacts/a", INVALID))
    full(state, event(2, "artifacts/b", VALID), sequence=2)
    assert old in state.to_json()
    with pytest.raises(StateInvalid):
        FeedState.from_json(state.to_json().replace(old, new))


def test_a_minimum_version_is_kept_like_a_restriction(state) -> None:
    """It is VALID, and takes older versions away: not being told again gives none of them back."""
    model = f"{PARENT}/models/speech"
    state.apply(event(5, "models/speech", VALID, uri=ARTIFACT_SUPERSEDED, own={"min_version": 5}))
    older = event(3, "models/speech", VALID, uri=ARTIFACT_SUPERSEDED, own={"min_version": 3})
    for number, told in enumerate(([], [older]), 2):
        full(state, *told, epoch=number.to_bytes(8, "big") + bytes(8))
        assert state.get(model).own["min_version"] == 5
        assert FeedState.from_json(state.to_json()).get(model).own["min_version"] == 5
    state.apply(event(6, "models/speech", VALID, uri=ARTIFACT_SUPERSEDED, own={"min_version": 6}))
    assert state.get(model).own["min_version"] == 6


def test_a_history_that_is_left_keeps_its_restrictions_and_lets_any_other_follow(state) -> None:
    full(state, epoch=b"\xff" * 16)
    state.apply(event(7, "artifacts/a", SUSPENDED))
    state.apply(event(8, "artifacts/b", INVALID))
    with pytest.raises(RolledBack):
        state.begin_full(LATER_EPOCH)
    state.leave_history()
    with pytest.raises(StateDiffers):
        state.go_on(LATER_EPOCH)
    full(state, event(6, "artifacts/a", VALID, revision=9), epoch=LATER_EPOCH)
    assert (state.epoch, state.status_of(A), state.status_of(B)) == (LATER_EPOCH, SUSPENDED, INVALID)
    state.apply(event(9, "artifacts/a", VALID, revision=10))
    assert state.status_of(A) is VALID


def test_no_two_states_are_framed_alike() -> None:
    """Subjects and ids would run into each other only if nothing stood between them."""
    assert len({state_digest(one) for one in ({}, {"a": "b"}, {"ab": ""}, {"": "ab"}, {"a": "", "b": ""})}) == 5
    assert state_digest({'a","b': "c"}) != state_digest({"a": 'b","c'})
