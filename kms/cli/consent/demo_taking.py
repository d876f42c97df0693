"""Steps: the person withdraws; one phone hears it at once, one reads files, one hears nothing."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hallmark_client.model.removals import Removal, RemovalState
from hallmark_client.watch import Rung
from kms.cli.consent.demo_stage import PATIENCE_SECONDS, PROMISE, Stage
from kms.cli.demo.stage import DemoFailed, hold
from kms.cli.output import moment

_LOOK_SECONDS = 0.05
_HEARTBEAT, _FILES_EVERY = timedelta(seconds=1), timedelta(seconds=1)


def withdraw(stage: Stage) -> Sequence[str]:
    """B and C lose their networks before; A and D are online."""
    for letter in "BC":
        phone = stage.phones[letter]
        phone.close()
        phone.used_at = None
    phone = stage.phones["C"]
    phone.watch(address=stage.no_api, trusted_keys=stage.service_keys, log_policy=stage.vkeys, heartbeat=_HEARTBEAT)
    hold(_decided(stage, "C") == {"Allowed"}, "phone C can not go on offline with what it has stored")
    stage.withdrawn_at = time.monotonic()
    stage.withdrawal = stage.client("backend").consents.withdraw(stage.consent.name, reason="changed my mind")
    took = (time.monotonic() - stage.withdrawn_at) * 1000
    stage.findings.promised_seconds = PROMISE.total_seconds()
    assert stage.withdrawal.consent.end_time is not None
    return (
        "phone B has plain HTTP only, phone C no network at all; C goes on with what it has stored: Allowed",
        f"withdrawn at {_clock(stage.withdrawal.consent.end_time)}, promised by {_clock(stage.promised_by)}",
        f"after {took:.0f} ms, in one transaction: the end of the consent and its leases, log entry, signed events,",
        f"and {len(stage.withdrawal.removals)} commands to delete, one for each phone and artifact",
    )


def obey(stage: Stage) -> Sequence[str]:
    """A: heard, shredded, acknowledged, receipts given, countersigned and logged."""
    phone, wanted = stage.phones["A"], len(stage.artifacts)
    phone.wait_for(wanted, PATIENCE_SECONDS)
    assert phone.heard_at is not None
    assert phone.shredded_at is not None
    found = stage.findings
    found.heard_ms = round((phone.heard_at - stage.withdrawn_at) * 1000, 1)
    found.shredded_ms = round((phone.shredded_at - stage.withdrawn_at) * 1000, 1)
    hold(not any(map(phone.vault.has, stage.artifacts.values())), "phone A has not destroyed its keys")
    hold(_decided(stage, "A") == {"Shred (withdrawn)"}, "phone A could still use something")
    _wait_until(stage, "A", RemovalState.ACKNOWLEDGED)
    for command in phone.commands:
        answer = phone.submit(phone.receipt(command), command.removal)
        answer.verify(stage.service_keys, command.removal)
        found.receipt_grade = answer.grade.value
    found.receipt_ms = round((time.monotonic() - stage.withdrawn_at) * 1000, 1)
    return (
        f"the signed event was verified {found.heard_ms} ms after the call began,",
        f"both keys destroyed after {found.shredded_ms} ms: the files can not be opened any more",
        f"{wanted} receipts of grade {found.receipt_grade}, signed by the attested key, countersigned and logged,",
        f"{found.receipt_ms / 1000:.1f} s after the call began",
    )


def read_files(stage: Stage) -> Sequence[str]:
    """B comes back with plain HTTP only: its API address leads nowhere."""
    phone = stage.phones["B"]
    phone.watch(
        address=stage.no_api,
        trusted_keys=stage.service_keys,
        log_policy=stage.vkeys,
        files_url=stage.server.public_url,
        begin_with=Rung.FILES,
        files_every=_FILES_EVERY,
    )
    assert phone.watcher is not None
    until, decided = time.monotonic() + PATIENCE_SECONDS, _decided(stage, "B")
    while decided != {"Shred (withdrawn)"} and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        decided = _decided(stage, "B")
    took = time.monotonic() - stage.withdrawn_at
    hold(decided == {"Shred (withdrawn)"}, f"the files do not tell phone B: {decided}, {phone.watcher.status}")
    listed = [status.name for status in phone.watcher.snapshot().listed.values()]
    hold(listed.count("INVALID") >= len(stage.artifacts), f"the status lists say {listed}")
    hold(not phone.commands, "phone B heard of a command, which only its own feed has")
    stage.findings.files_say_invalid_seconds = round(took, 1)
    return (
        "a signed manifest, proved by the log, and the status lists that it names: both leases are INVALID",
        f"phone B shreds {took:.1f} s after the withdrawal; nothing but static files was asked",
    )


def outlive_leases(stage: Stage) -> Sequence[str]:
    """C hears nothing at all and goes on for as long as it may. Time is real: this step waits for it."""
    phone = stage.phones["C"]
    hold("Allowed" in _decided(stage, "C"), "phone C could not go on although nobody had told it")
    until = time.monotonic() + PROMISE.total_seconds() + PATIENCE_SECONDS
    while (decided := _decided(stage, "C")) != {"Shred (expired)"}:
        hold(time.monotonic() < until, f"phone C is not done with what it holds: {decided}")
        time.sleep(_LOOK_SECONDS)
    assert phone.watcher is not None
    hold(not phone.commands, "phone C was reached")
    for other in stage.phones.values():
        hold("Allowed" not in {other.use(artifact) for artifact in stage.artifacts.values()}, f"{other.letter} goes on")
    used = [each.used_at for each in stage.phones.values() if each.used_at is not None]
    withdrawn, last = stage.withdrawal.consent.end_time, max(used)
    assert withdrawn is not None
    found = stage.findings
    found.last_usable_seconds = round((last - withdrawn).total_seconds(), 1)
    found.kept = last <= stage.promised_by
    hold(found.kept, f"something was usable at {_clock(last)}, after {_clock(stage.promised_by)}")
    return (
        f"no message reached it ({phone.watcher.status.status.value}); its leases ended by themselves: Shred (expired)",
        f"withdrawn at    {_clock(withdrawn)}",
        f"last usable at  {_clock(last)}, {found.last_usable_seconds} s later, on phone C",
        f"promised by     {_clock(stage.promised_by)}: kept",
    )


def _decided(stage: Stage, letter: str) -> set[str]:
    phone = stage.phones[letter]
    return {phone.use(artifact) for artifact in stage.artifacts.values()}


def _wait_until(stage: Stage, letter: str, state: RemovalState) -> list[Removal]:
    return wait_for_removals(stage, letter, state, PATIENCE_SECONDS)


def wait_for_removals(stage: Stage, letter: str, state: RemovalState, seconds: float) -> list[Removal]:
    """All of the phone's. Raises DemoFailed when they do not get there."""
    auditor, until = stage.client("auditor"), time.monotonic() + seconds
    while True:
        found = list(auditor.removals.list(device=stage.phones[letter].name))
        states = {each.state for each in found}
        if states == {state}:
            return found
        if time.monotonic() > until:
            raise DemoFailed(f"the removals of phone {letter} are {states}, not {state}")
        time.sleep(_LOOK_SECONDS)


def _clock(value: datetime) -> str:
    """UTC, to the tenth of a second."""
    return f"{moment(value)[:-1]}.{value.astimezone(UTC).microsecond // 100_000}Z"
