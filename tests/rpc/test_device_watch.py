"""A phone's watcher against the real service: leases, withdrawal, acknowledgement, revocation, files, a restart."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hallmark_client import Client
from hallmark_client.watch import (
    AsyncWatcher,
    Change,
    ConsentEnded,
    DeletionRequested,
    LeaseGranted,
    Revoked,
    Rung,
    ServiceKeys,
    Status,
    Watcher,
    log_keys,
)
from hallmark_events.lease import Shred, Why
from rpc.test_gated_keys import Phone
from rpc.wire import fresh_id, fresh_name
from support.service import RunningService, running_service

SECONDS = 30
FAST = {"heartbeat": timedelta(seconds=1), "poll_every": timedelta(seconds=0.5), "files_every": timedelta(seconds=1)}


class Told(list[Change]):
    """Of one watcher."""

    def wait(self, kind: type[Change], subject: str = "") -> Change:
        found: list[Change] = []

        def is_there() -> bool:
            found.extend(change for change in self if isinstance(change, kind) and change.subject.startswith(subject))
            return bool(found)

        until(is_there, f"{kind.__name__} of {subject} among {[type(each).__name__ for each in self]}")
        return found[0]


def until(condition: Callable[[], bool], what: object = "") -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


@pytest.fixture
def backend(service: RunningService) -> Iterator[Client]:
    with service.client("backend") as client:
        yield client


@pytest.fixture
def phone(service: RunningService, tmp_path: Path) -> Phone:
    return Phone(service, tmp_path / "phone")


def trust(client: Client) -> dict:
    return {"trusted_keys": ServiceKeys(client), "log_policy": log_keys(client)}


def granted(backend: Client, phone: Phone) -> tuple[str, str]:
    """Names of a consent and of its artifact."""
    artifact = hashlib.sha256(fresh_name().encode()).hexdigest()
    change = backend.consents.grant(
        fresh_id(),
        controller="https://bank.example",
        purposes=["dpv:FraudPreventionAndDetection"],
        artifacts=[artifact],
        devices=[phone.name],
    )
    return change.consent.name, f"artifacts/{artifact}"


@pytest.mark.parametrize("begin_with", [Rung.STREAM, Rung.POLL])
def test_a_consent_from_its_grant_to_its_end(service, backend, phone, tmp_path, begin_with) -> None:
    told = Told()
    with phone.client() as client:
        options = {**FAST, **trust(client), "begin_with": begin_with}
        with Watcher(client, store=tmp_path / "watch.db", on_change=told.append, **options) as watcher:
            consent, artifact = granted(backend, phone)
            told.wait(LeaseGranted)
            until(lambda: watcher.decision(artifact).is_allowed, watcher.status)
            began = time.monotonic()
            backend.consents.withdraw(consent)
            told.wait(ConsentEnded, consent)
            assert time.monotonic() - began < 5
            assert watcher.decision(artifact).decision == Shred(Why.WITHDRAWN)
            asked = told.wait(DeletionRequested)
            assert isinstance(asked, DeletionRequested)
            assert (asked.consent, len(asked.nonce)) == (consent, 32)
            until(lambda: not watcher._core.held.acks)
        # Offline, from the file.
        with Watcher(client, store=tmp_path / "watch.db", **options) as again:
            assert again.decision(artifact).decision == Shred(Why.WITHDRAWN)


async def test_the_asyncio_twin_hears_both_feeds(service, backend, phone) -> None:
    told = Told()
    with phone.client() as client, service.client() as admin:
        async with AsyncWatcher(phone.profile, on_change=told.append, **FAST, **trust(client)) as watcher:
            await watcher.wait_ready(SECONDS)
            consent, _ = await asyncio.to_thread(granted, backend, phone)
            await asyncio.to_thread(told.wait, LeaseGranted)
            name = fresh_name()
            await asyncio.to_thread(admin.keys.create, name)
            await asyncio.to_thread(admin.revocations.revoke, name, "SUPERSEDED")
            await asyncio.to_thread(told.wait, Revoked, f"tenants/default/keys/{name}")
            await asyncio.to_thread(backend.consents.withdraw, consent)
            await asyncio.to_thread(told.wait, ConsentEnded, consent)


def test_a_revoked_phone_falls_back_to_the_files(service, phone) -> None:
    told = Told()
    url = str(service.facts["public_url"])
    with phone.client() as client, service.client() as admin:
        options = {**FAST, "trusted_keys": ServiceKeys(admin), "log_policy": log_keys(admin)}
        with Watcher(client, on_change=told.append, files_url=url, **options) as watcher:
            watcher.wait_ready(SECONDS)
            admin.revocations.revoke(phone.name, "DEVICE_LOST")
            told.wait(Revoked, phone.name)
            until(lambda: watcher.status.rung == "files", watcher.status)
            name = fresh_name()
            admin.keys.create(name)
            admin.revocations.revoke(name, "KEY_COMPROMISE")
            told.wait(Revoked, f"tenants/default/keys/{name}")


def test_it_goes_on_after_a_restart_of_the_service(tmp_path) -> None:
    told = Told()
    with running_service(tmp_path / "home", same_ports=True) as service, service.client() as admin:
        phone = Phone(service, tmp_path / "phone")
        with phone.client() as client, Watcher(client, on_change=told.append, **FAST, **trust(client)) as watcher:
            until(lambda: watcher.status.status is Status.VALID, watcher.status)
            service.kill()
            until(lambda: watcher.status.status is Status.INTERRUPTED, watcher.status)
            service.start()
            admin.keys.create("first", request_id=fresh_id())
            admin.revocations.revoke("first", "SUPERSEDED")
            told.wait(Revoked, "tenants/default/keys/first")
            until(lambda: watcher.status.status is Status.VALID, watcher.status)
