"""Two replicas, and the clock of the second is ten minutes ahead, or behind: ten times what replicas bear.

Nothing acknowledged is lost, the log's checkpoints do not go back in time, no lease outlives its own terms, challenges
that are too old by the clock that is asked are refused as such, and doctor says whose clock it is.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hallmark_client import HallmarkError
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import parse_vkey
from kms.app.approvals import client_folders
from kms.cli.doctor.service_check import check_clock, check_feeds
from kms.config import load_config
from kms.server.local_ca import LocalAuthority
from rpc.test_gated_keys import Phone
from support.deployment_clocks import wrong_clock
from support.deployment_recovery import PROPERTY, count_lost, fault_row
from support.fault_runs import LONG, SEED
from support.kill_book import Book
from support.kill_checks import check_answers, check_keys, check_log, check_revocations, published
from support.kill_load import Load
from support.postgresql import PostgresqlServer
from support.replicas import EitherReplica, Replicas, two_replicas
from support.service import RunningService

SKEW = timedelta(minutes=10)
LOAD_SECONDS = 20.0 if LONG else 4.0
PATIENCE_SECONDS = 60.0
REMOVAL_TIME = timedelta(hours=1)


@pytest.mark.parametrize("skew", [SKEW, -SKEW], ids=["ahead", "behind"])
def test_a_replica_whose_clock_is_wrong(
    postgresql: PostgresqlServer, tmp_path: Path, record_property, skew: timedelta
) -> None:
    wrong = wrong_clock(skew)
    _make_old_certificates(tmp_path / "first")
    seen, times = [], []
    with postgresql.database() as url, two_replicas(tmp_path, url, each=({}, wrong)) as replicas:
        either = EitherReplica(replicas)
        with Load(either, seed=SEED) as book:
            until = time.monotonic() + LOAD_SECONDS
            while time.monotonic() < until or len(book.asks) < 30:
                assert time.monotonic() < until + PATIENCE_SECONDS, "nothing was answered"
                seen.append(published(replicas.first))
                times.append(_time_of_the_checkpoint(replicas.first))
                time.sleep(0.1)
        assert (book.findings, book.stumbles) == ([], [])
        _check_doctor(replicas, skew)
        _check_challenges(replicas, skew)
        _check_leases(replicas, tmp_path / "phone")
        check_answers(either, book, seed=SEED)
        lost = _count_lost(replicas, book, seen)
    assert times == sorted(times), "checkpoints went back in time"
    assert lost == 0
    says = (
        f"clock of one replica {abs(skew).total_seconds() / 60:.0f} min {'ahead' if skew > timedelta() else 'behind'}"
    )
    record_property(PROPERTY, fault_row(says, calls=len(book.asks), lost=lost))


def _make_old_certificates(home: Path) -> None:
    """A clock that is behind finds certificates of this minute not valid yet: these are an hour old."""
    home.mkdir()
    config = load_config(environment={}, overrides={"home": home})
    authority = LocalAuthority(
        home, trust_domain=config.server.trust_domain, now=datetime.now(UTC) - timedelta(hours=1)
    )
    authority.server_credentials(config.server.host_names)
    client_folders(authority, config)


def _time_of_the_checkpoint(service: RunningService) -> int:
    """POSIX seconds."""
    vkeys = [parse_vkey(line) for line in (service.home / "public" / "verifier-keys").read_text().splitlines()]
    opened = open_checkpoint(folder_fetcher(service.home / "public")("checkpoint"), vkeys, origin=vkeys[0].name)
    return max(signer.timestamp or 0 for signer in opened.signers)


def _check_doctor(replicas: Replicas, skew: timedelta) -> None:
    findings = []
    for each in replicas.both:
        with each.client("auditor") as client:
            shown, feeds = check_feeds(client, seconds=20)
        assert shown is not None, feeds
        findings.append(check_clock(shown, datetime.now(UTC), spent=timedelta(seconds=2)))
    first, second = findings
    assert first.level.value == "ok", first
    assert second.level.value == "problem"
    assert ("ahead of" if skew > timedelta() else "behind") in second.says


def _check_challenges(replicas: Replicas, skew: timedelta) -> None:
    """They live for five minutes, by the clock of who is shown one. For a clock that is behind, the list of revoked phone
    keys is of the future: it is not believed.
    """
    old, young = replicas.both if skew > timedelta() else (replicas.second, replicas.first)
    assert _attest(young, old) == ("" if skew > timedelta() else "STATUS_LIST_STALE")
    assert _attest(old, young) == "CHALLENGE_EXPIRED"


def _attest(made_by: RunningService, shown_to: RunningService) -> str:
    """Why it was refused; empty: it was not."""
    with made_by.client("backend") as maker, shown_to.client("backend") as taker:
        challenge = maker.devices.create_challenge()
        chain = [part.data for part in shown_to.phone.generate_key(challenge.challenge).evidence.parts]
        try:
            answer = taker.devices.attest(challenge.name, chain)
        except HallmarkError as refused:
            return refused.reason
        return "" if answer.verdict.appraised else " ".join(answer.verdict.reasons)


def _check_leases(replicas: Replicas, folder: Path) -> None:
    """Of either replica, also for a consent of the other: never longer than the removal that was promised, and ended
    for both when one is told.
    """
    phone = Phone(replicas.first, folder)
    with replicas.first.client("backend") as first, replicas.second.client("backend") as second:
        for giver, other in ((first, second), (second, first)):
            artifact = f"{_parent(phone.name)}/artifacts/{'ab' * 32}"
            change = giver.consents.grant(
                f"person {id(giver)}",
                controller="https://controller.example",
                purposes=["dpv:ServiceProvision"],
                artifacts=[artifact],
                removal_time=REMOVAL_TIME,
            )
            for each in (giver, other):
                lease = each.consents.acquire_lease(change.consent.name, artifact, device=phone.name)
                assert lease.expire_time + lease.offline_grace <= lease.not_before + REMOVAL_TIME
                assert lease.expire_time <= change.consent.expire_time
            giver.consents.withdraw(change.consent.name)
            with pytest.raises(HallmarkError) as refused:
                other.consents.acquire_lease(change.consent.name, artifact, device=phone.name)
            assert refused.value.reason == "STATE_TRANSITION_INVALID"


def _parent(name: str) -> str:
    return "/".join(name.split("/")[:2])


def _count_lost(replicas: Replicas, book: Book, seen: list) -> int:
    for replica in replicas.both:
        with replica.client() as client:
            check_keys(client, book)
            check_revocations(client, book)
    for replica in replicas.both:
        assert replica.stop() == 0
    return count_lost(replicas.first, book, check_log(replicas.first, book, seen))
