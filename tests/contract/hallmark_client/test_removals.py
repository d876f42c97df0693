"""client.removals against every server. Receipts need a device with a certificate of its own: tests/rpc has them."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import Client, HallmarkError, InvalidArgument, NotFound, PermissionDenied
from hallmark_client.model.removals import DeletionReceipt, Removal, RemovalState


@pytest.fixture
def device_name(server, admin: Client) -> str:
    challenge = admin.devices.create_challenge()
    certificates, spki = server.attest(challenge.challenge)
    enrolled = admin.devices.attest(challenge.name, certificates, key_spki=spki).device
    assert enrolled is not None
    return enrolled.name


def artifact() -> str:
    return hashlib.sha256(uuid.uuid4().bytes).hexdigest()


def ask(client: Client, device: str, **more) -> Removal:
    return client.removals.request(device, more.pop("artifact", None) or artifact(), **more)


def test_what_was_asked_can_be_read(admin: Client, device_name: str) -> None:
    digest, deadline = artifact(), datetime.now(UTC) + timedelta(hours=3)
    made = ask(admin, device_name, artifact=digest, deadline=deadline, reason="the model is faulty")
    assert (made.state, made.grade, made.receipt) == (RemovalState.ISSUED, None, None)
    assert (made.device, made.artifact) == (device_name, f"tenants/default/artifacts/{digest}")
    assert (made.deadline, made.reason, made.consent) == (deadline, "the model is faulty", "")
    assert admin.removals.get(made.name) == made
    assert admin.removals.get(made.name.rpartition("/")[2]) == made


def test_the_deadline_is_a_day_by_default(admin: Client, device_name: str) -> None:
    made = ask(admin, device_name)
    assert made.deadline - made.issue_time == timedelta(hours=24)


def test_a_retry_is_answered_again(admin: Client, device_name: str) -> None:
    request_id, digest = str(uuid.uuid4()), artifact()
    made = ask(admin, device_name, artifact=digest, request_id=request_id)
    assert ask(admin, device_name, artifact=digest, request_id=request_id).name == made.name


def test_lists_are_newest_first_and_filtered(admin: Client, device_name: str) -> None:
    made = [ask(admin, device_name).name for _ in range(3)]
    found = [each.name for each in admin.removals.list(device=device_name, page_size=2)]
    assert sorted(found) == sorted(made)
    assert found[0] == made[-1]
    short = device_name.rpartition("/")[2]
    assert len(list(admin.removals.list(device=short, state="issued"))) == 3
    assert list(admin.removals.list(device=device_name, state=RemovalState.DELETED)) == []
    assert list(admin.removals.list(consent=str(uuid.uuid4()))) == []
    with pytest.raises(InvalidArgument):
        list(admin.removals.list(state="gone"))


def test_the_report_counts_them(client_under_test, admin: Client, device_name: str) -> None:
    before = admin.removals.report().states["issued"]
    ask(admin, device_name)
    report = client_under_test("auditor").removals.report()
    assert report.states["issued"] == before + 1
    assert set(report.grades) == {"A0", "A1", "A2"}
    assert report.until - report.since == timedelta(days=30)
    with pytest.raises(InvalidArgument):
        admin.removals.report(since=report.until, until=report.since)
    with pytest.raises(InvalidArgument):
        admin.removals.report(since=datetime(2026, 1, 1))


@pytest.mark.parametrize("away", [timedelta(seconds=1), timedelta(days=31)])
def test_bad_deadlines_are_refused(admin: Client, device_name: str, away: timedelta) -> None:
    with pytest.raises(InvalidArgument):
        ask(admin, device_name, deadline=datetime.now(UTC) + away)


def test_what_is_not_there_is_not_found(admin: Client) -> None:
    with pytest.raises(NotFound):
        ask(admin, str(uuid.uuid4()))
    with pytest.raises(NotFound):
        admin.removals.get(str(uuid.uuid4()))


def test_nobody_gives_receipts_for_others(client_under_test, admin: Client, device_name: str) -> None:
    made = ask(admin, device_name)
    for role, error in (("device", NotFound), ("admin", PermissionDenied)):
        with pytest.raises(error):
            client_under_test(role).removals.submit(made.name, DeletionReceipt(set=b"{}"))
    assert admin.removals.get(made.name).state is RemovalState.ISSUED


def test_devices_and_auditors_ask_for_nothing(client_under_test, device_name: str) -> None:
    for role in ("device", "auditor"):
        with pytest.raises(PermissionDenied):
            ask(client_under_test(role), device_name)
    with pytest.raises(HallmarkError):
        list(client_under_test("device").removals.list())
