import tracemalloc
from datetime import timedelta

from kms.audit import recorder as module
from kms.audit.model import CertificateFacts, SeenKind
from kms.audit.recorder import Recorder
from kms.core.identity import Role
from support.clock import START
from support.randomness import SeededRandomness
from unit.kms.audit.bench import KEY, make_call, make_certificate

PEM = make_certificate()
LATER = START + timedelta(seconds=2)


def _recorder(**options: bool) -> Recorder:
    return Recorder(SeededRandomness(1), **options)


def _call(recorder: Recorder, *, certificate: bytes = PEM, asked: tuple[str, ...] = (KEY,), **options: object) -> str:
    decided = {name: options.pop(name, default) for name, default in (("refused", False), ("allowed", True))}
    call = make_call(**options)
    session, facts = recorder.admitted(call, certificate)
    recorder.finished(call, session, facts, asked, now=LATER, moved=10, **decided)
    return session


def test_calls_over_one_connection_are_one_session() -> None:
    recorder = _recorder()
    assert _call(recorder) == _call(recorder, refused=True)
    (session,) = recorder.take().sessions
    assert (session.calls, session.refused, session.bytes) == (2, 1, 20)
    assert (session.start_time, session.last_time) == (START, LATER)
    assert session.certificate == CertificateFacts("ECDSA P-256", "ECDSA-SHA256")
    assert (session.caller, session.authentication) == ("spiffe://example/tenants/default/backend/backend", "mtls")


def test_another_port_group_certificate_or_caller_is_another_session() -> None:
    recorder = _recorder()
    ids = {
        _call(recorder),
        _call(recorder, port=4712),
        _call(recorder, group="X25519"),
        _call(recorder, certificate=make_certificate()),
        _call(recorder, name="other"),
    }
    assert len(ids) == len(recorder.take().sessions) == 5


def test_a_connection_that_calls_again_later_goes_on_as_the_same_session() -> None:
    recorder = _recorder()
    first = _call(recorder)
    recorder.take()
    assert _call(recorder) == first
    assert [session.calls for session in recorder.take().sessions] == [1]


def test_another_process_gives_other_ids() -> None:
    assert _call(_recorder()) != _call(Recorder(SeededRandomness(2)))


def test_a_stream_that_ends_after_days_counts_for_its_session() -> None:
    recorder = _recorder()
    call = make_call()
    session, facts = recorder.admitted(call, PEM)
    assert recorder.take().sessions[0].calls == 1
    recorder.finished(call, session, facts, (), now=START + timedelta(days=3), moved=5000, refused=False, allowed=True)
    (ended,) = recorder.take().sessions
    assert (ended.id, ended.calls, ended.bytes) == (session, 0, 5000)
    assert ended.certificate == facts
    assert ended.last_time == START + timedelta(days=3)


def test_kinds_of_calls_are_counted_by_what_they_are() -> None:
    recorder = _recorder()
    for _ in range(3):
        _call(recorder, asked=(f"{KEY}/versions/2",))
    _call(recorder, allowed=False)
    kind = SeenKind(
        "default", "spiffe://example/tenants/default/backend/backend", "SigningService.Sign", KEY, "192.0.2.0/24",
        "X25519MLKEM768", True,
    )  # fmt: skip
    seen = {row.kind: row for row in recorder.take().seen}
    assert seen[kind].calls == 3
    assert seen[kind].last_time == LATER
    assert seen[kind].hour == START
    assert {each.allowed for each in seen} == {True, False}


def test_devices_are_counted_together_and_without_their_names() -> None:
    recorder = _recorder()
    for number in range(5):
        device = f"d-01890a5d-ac96-774b-bcce-b302099a805{number}"
        name = f"tenants/default/devices/{device[2:]}"
        _call(recorder, role=Role.DEVICE, name=device, port=number + 1, asked=(name,))
    (row,) = recorder.take().seen
    assert row.calls == 5
    assert row.kind.caller == "spiffe://example/tenants/default/device/-"
    assert row.kind.resource == "tenants/default/devices/-"


def test_whole_addresses_are_kept_only_where_the_settings_say_so() -> None:
    recorder = _recorder(full_addresses=True)
    _call(recorder)
    assert recorder.take().seen[0].kind.network == "192.0.2.7/32"


def test_who_makes_names_up_fills_no_table() -> None:
    recorder = _recorder()
    for number in range(10_000):
        _call(recorder, asked=(f"tenants/default/keys/k{number}",))
    batch = recorder.take()
    assert len(batch.seen) == module.KINDS_PER_CONNECTION + 1
    assert sum(row.calls for row in batch.seen) == 10_000
    assert batch.dropped == 0


def test_what_does_not_fit_is_said(monkeypatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS_MAX", 3)
    monkeypatch.setattr(module, "KINDS_MAX", 2)
    recorder = _recorder()
    for port in range(1, 6):
        assert _call(recorder, port=port, asked=(f"tenants/default/keys/k{port}",))
    batch = recorder.take()
    assert (len(batch.sessions), len(batch.seen)) == (3, 2)
    assert batch.dropped == 3, "calls over two connections, and one whose kind was too many"
    assert recorder.take().dropped == 0


def test_ten_thousand_idle_streams_leave_nothing_here_once_they_are_written() -> None:
    recorder = _recorder()
    calls = [make_call(role=Role.DEVICE, name=f"d{number}", port=number + 1) for number in range(10_000)]
    recorder.take()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = [recorder.admitted(call, PEM)[0] for call in calls]
    recorder.take()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(set(kept)) == 10_000
    assert (after - before) / 10_000 < 100, "the id that stays with the call, and nothing else"
