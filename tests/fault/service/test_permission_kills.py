"""Random SIGKILLs of the server and of the phones that follow it, while permission is given and taken back.

Then a checker goes through everything. HALLMARK_FAULT_KILLS chooses the long form (`make test-fault`): 60 kills of the
server, or as many as a busy machine does in four and a half minutes; HALLMARK_FAULT_SEED which ones.
"""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from hallmark_client.watch import Rung
from hallmark_client.watch.frames import Feed
from hallmark_tlog.checkpoint import Checkpoint
from support.fault_runs import LONG, SEED, long_only
from support.kill_book import Caller
from support.kill_checks import published
from support.kill_load import Load
from support.permission_acts import AcquiresLeases, ChangesArtifacts, GivesConsents, PermissionAct, RevokesDevices
from support.permission_book import PermissionBook
from support.permission_checks import (
    check_answers,
    check_artifacts,
    check_consents,
    check_leases,
    check_phones,
    check_promises,
    check_removals,
    check_status,
    check_withdrawn_everywhere,
)
from support.permission_phones import LivePhone, Phones, Trust
from support.permission_status import StatusReader
from support.postgresql import PostgresqlServer
from support.service import RunningService, running_service

KILLS = 60 if LONG else 5
SECONDS_MAX = 270.0
QUIET_EVERY, QUIET_SECONDS = 8, 4.0
"""So often the server lives so long: its log publishes, and what waited for that is told."""
SETTINGS = (
    "[events]\nsnapshot_interval_seconds = 1\n"
    "[consent]\nrenew_interval_seconds = 0.5\nrenew_fraction = 0.05\n"
    "[removal]\ncheck_interval_seconds = 0.5\n"
)
ONE_SIGNER = {"HALLMARK__HSM__SIGNERS": "1"}
"""It starts sooner."""
EVERY_KIND = {"consent", "renewal", "withdrawal", "lease", "artifact suspended", "artifact valid", "revocation"}

# CPython's ssl leaves a socket to the collector when its peer is killed between connecting and wrapping (seen once).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


def test_permission_survives_random_kills(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    record_property("fault totals", _live(tmp_path, {}, KILLS))


@long_only
def test_permission_survives_random_kills_on_postgresql(
    postgresql: PostgresqlServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with postgresql.database() as url:
        environment = {"HALLMARK__DATABASE__URL": url, "HALLMARK__LOG__ORIGIN": "log.example/permission"}
        record_property("fault totals", "on PostgreSQL: " + _live(tmp_path, environment, KILLS // 4))


def _live(folder: Path, environment: dict[str, str], kills: int) -> str:
    """The whole life. Gives what it came to."""
    randomness, seen, book = random.Random(SEED), list[Checkpoint](), PermissionBook()
    with ExitStack() as stack:
        service = stack.enter_context(
            running_service(folder / "home", settings=SETTINGS, environment=ONE_SIGNER | environment, same_ports=True)
        )
        trust = Trust.of(service)
        phones = _enrolled(service, folder, trust)
        stack.callback(phones.stop)
        phones.start()
        with StatusReader(service.home / "public", trust) as reader:
            acts = _acts(service, phones, book)
            with Load(service, seed=SEED, acts=acts):
                killed = _kill_at_random(service, phones, book, randomness, seen, kills)
                until(book, lambda: set(book.counts()) >= EVERY_KIND and len(book.withdrawn()) > 2)
            assert book.findings == []
            return f"{killed} kills of the server, {_check(service, phones, book, reader, trust, seen)}"


def _enrolled(service: RunningService, folder: Path, trust: Trust) -> Phones:
    names = ("one", "two", "three"), ("lost", "stolen") if LONG else ("lost",)
    steady, doomed = ([LivePhone.enrol(service, folder / name, trust) for name in each] for each in names)
    return Phones(steady, doomed)


def _acts(service: RunningService, phones: Phones, book: PermissionBook) -> list[PermissionAct]:
    def made(kind: type[PermissionAct], seed: int, who: list[LivePhone], home: object = service) -> PermissionAct:
        return kind(Caller(home, kind.role, book), random.Random(SEED + seed), who)  # type: ignore[arg-type]

    return [
        made(GivesConsents, 1, phones.steady),
        made(GivesConsents, 2, phones.steady),
        made(ChangesArtifacts, 3, []),
        made(RevokesDevices, 4, list(phones.doomed)),
        *(made(AcquiresLeases, 5 + number, [phone], phone) for number, phone in enumerate(phones.steady[:2])),
    ]


def _kill_at_random(
    service: RunningService,
    phones: Phones,
    book: PermissionBook,
    randomness: random.Random,
    seen: list[Checkpoint],
    kills: int,
) -> int:
    """Of the server, and between them of phones. After each start what was acknowledged is looked at."""
    until(book, lambda: len(book.answers) >= 5)
    ends, done = time.monotonic() + SECONDS_MAX, 0
    while done < kills and time.monotonic() < ends:
        time.sleep(randomness.uniform(0.05, 0.8) if done % QUIET_EVERY else QUIET_SECONDS)
        if randomness.random() < 0.5:
            phones.kill_one(randomness, book.revoked_devices)
        service.kill()
        done += 1
        seen.append(published(service))
        service.start()
        with service.client() as client:
            consents = list(book.consents.values())
            check_consents(client, randomness.sample(consents, min(5, len(consents))))
        assert book.findings == []
    return done


def _check(
    service: RunningService,
    phones: Phones,
    book: PermissionBook,
    reader: StatusReader,
    trust: Trust,
    seen: list[Checkpoint],
) -> str:
    until(book, lambda: all(_is_done(book, phone) for phone in phones.steady))
    phones.until_alike(60)
    for phone in phones.doomed:
        phone.rest_when(lambda phone=phone: _has_nothing(book, phone), Rung.FILES, 60)
    asked = check_answers(service, book, phones, seed=SEED)
    with service.client() as client:
        check_consents(client, list(book.consents.values()))
        leases = check_leases(client, book)
        check_artifacts(client, book)
        receipts = check_removals(client, phones, trust)
    reader.wait_for(_global_sequence(phones.steady[0]))
    assert reader.wrong == []
    assert reader.numbers == sorted(set(reader.numbers))
    state = reader.snapshot.state
    check_status({name: state.mirror[name].status for name in state.mirror}, book)
    usable = check_withdrawn_everywhere(book, phones.steady)
    totals = check_phones(phones)
    assert service.stop() == 0
    proofs = check_promises(service.home / "public", trust, book, phones, seen)
    counts = book.counts()
    return (
        f"{sum(phone.starts - 1 for phone in phones.all)} of phones: {sum(counts.values())} acts acknowledged "
        f"({counts['consent']} consents, {counts['renewal']} renewals, {counts['withdrawal']} withdrawals, "
        f"{counts['revocation']} revocations), {asked} asked again with one answer, {leases} leases, {usable} usable at "
        f"the end; {totals.events} events heard, {totals.repeated} told again after a kill, {receipts} receipts "
        f"countersigned, {len(reader.numbers)} manifests verified, {proofs} promises proved; {len(book.stumbles)} "
        f"stumbles; lost = 0, re-permitted = {totals.re_permitted}, wrong = 0"
    )


def _is_done(book: PermissionBook, phone: LivePhone) -> bool:
    """It has heard of each withdrawal of what it was given, and was answered to its receipts."""
    memory, withdrawn = phone.memory, book.withdrawn()
    held = {consent for consent, device, _ in book.leases if device == phone.name}
    mine = [each.name for each in withdrawn if phone.name in each.devices or each.name in held]
    heard = all(memory.told.get(name) == "INVALID" for name in mine)
    owed = {removal for each in withdrawn for removal in each.removals} & set(memory.commands)
    return heard and owed <= set(memory.answers)


def _has_nothing(book: PermissionBook, phone: LivePhone) -> bool:
    """It was revoked: none of its leases holds, although it can ask for files only."""
    held = [name for name, consent in book.consents.items() if phone.name in consent.devices]
    assert held, "it had a lease"
    return not any(use.is_allowed for use in phone.uses(held))


def _global_sequence(phone: LivePhone) -> int:
    return phone.sequence(Feed.GLOBAL)


def until(book: PermissionBook, condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert not book.findings, book.findings
        assert time.monotonic() < deadline, f"not in time: {book.counts()}"
        time.sleep(0.1)
