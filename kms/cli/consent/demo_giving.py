"""Steps: the service, four phones that attest, a consent with its receipt, leases that arrive and hold."""

import hashlib
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attestation.testing import VirtualPhone
from hallmark_client.model.consents import ArtifactKind, ConsentArtifact, LeaseTerms
from hallmark_client.watch import Feed, WatchSnapshot
from hallmark_events.types import LEASE_GRANTED
from kms.cli.consent.demo_phone import attest_phone
from kms.cli.consent.demo_stage import CONTROLLER, LEASE, PATIENCE_SECONDS, PROMISE, Stage
from kms.cli.demo.stage import hold
from kms.cli.output import moment, short, write_file

LETTERS = "ABCD"
_ADAPTER, _TEMPLATE = "LoRA adapter", "biometric template"
_KINDS = {_ADAPTER: ArtifactKind.LORA_ADAPTER, _TEMPLATE: ArtifactKind.BIOMETRIC_TEMPLATE}
_BYTES = {_ADAPTER: 1 << 20, _TEMPLATE: 4096}
_HEARTBEAT = timedelta(seconds=1)
_LOOK_SECONDS = 0.02


def start_service(stage: Stage) -> Sequence[str]:
    stage.server.start()
    stage.log = stage.client("admin").capabilities().log
    stage.service_keys = stage.client("device").consents.service_keys()
    (version,) = stage.service_keys
    return (
        f"gRPC with mutual TLS on {stage.server.address}, public files on {stage.server.public_url}",
        f"phones believe what {short(version)} signs (ECDSA and ML-DSA together) and what the log has",
    )


def attest_phones(stage: Stage) -> Sequence[str]:
    maker, template = stage.client("device"), stage.home / "clients" / "device"
    for letter in LETTERS:
        phone = VirtualPhone.create(stage.vendor, now=datetime.now(UTC))
        stage.phones[letter] = attest_phone(letter, phone, maker, stage.outside / f"phone-{letter}", template)
    stage.phones["D"].obeys = False
    stage.findings.attested = len(stage.phones)
    return (
        f"{len(stage.phones)} virtual phones, under a throw-away root that only this server trusts",
        "each has a certificate for its attested key; it reads its own feed with it, and nobody else's",
    )


def grant_consent(stage: Stage) -> Sequence[str]:
    """The bank records what a card holder agreed to, and puts the artifacts on the phones."""
    contents = {title: os.urandom(size) for title, size in _BYTES.items()}
    digests = {title: hashlib.sha256(content).hexdigest() for title, content in contents.items()}
    backend = stage.client("backend")
    change = backend.consents.grant(
        "card holder 4711",
        controller=CONTROLLER,
        purposes=["dpv:FraudPreventionAndDetection"],
        artifacts=[ConsentArtifact(artifact=digests[title], kind=_KINDS[title]) for title in digests],
        devices=[phone.name for phone in stage.phones.values()],
        removal_time=PROMISE,
        lease_terms=LeaseTerms(duration=LEASE),
        withdrawal_method=f"{CONTROLLER}/withdraw",
        storage_locations=["the four phones of this demonstration"],
    )
    stage.consent = change.consent
    stage.artifacts = {title: change.consent.artifacts[number].artifact for number, title in enumerate(digests)}
    for phone in stage.phones.values():
        for title, artifact in stage.artifacts.items():
            phone.vault.put(artifact, contents[title])
    receipt = backend.consents.receipt(change.consent.name)
    receipt.verify(stage.service_keys, consent=change.consent.name)
    page = stage.outside / "consent-receipt.html"
    write_file(page, receipt.html.encode())
    return (
        f"{CONTROLLER}: {', '.join(change.consent.purposes)}, until {moment(change.consent.expire_time)}",
        f"for the {' and the '.join(stage.artifacts)}, on {len(stage.phones)} phones",
        f"promised: {PROMISE.total_seconds():.0f} s after a withdrawal nothing is usable any more",
        f"the person's receipt is signed; it names nobody, but {receipt.record['pii_principal_id'][:16]}...",
        *stage.kept_file("to read and print", page),
    )


def hear_of_leases(stage: Stage) -> Sequence[str]:
    """Each phone verifies what comes: batch, inclusion in the log, checkpoint; then it may use what it holds."""
    began, wanted = time.monotonic(), len(stage.artifacts)
    for phone in stage.phones.values():
        phone.watch(trusted_keys=stage.service_keys, log_policy=stage.vkeys, heartbeat=_HEARTBEAT)
    verified = 0
    for phone in stage.phones.values():
        assert phone.watcher is not None
        phone.watcher.wait_ready(PATIENCE_SECONDS)
        until = time.monotonic() + PATIENCE_SECONDS
        while (decided := {phone.use(artifact) for artifact in stage.artifacts.values()}) != {"Allowed"}:
            hold(time.monotonic() < until, f"phone {phone.letter} may not use what it was given: {decided}")
            time.sleep(_LOOK_SECONDS)
        while not _is_stored(phone.watcher.snapshot()):
            hold(time.monotonic() < until, f"phone {phone.letter} was sent no bookmark")
            time.sleep(_LOOK_SECONDS)
        told = _leases(phone.watcher.snapshot())
        hold(told == wanted, f"phone {phone.letter} was told of {told} leases, not of {wanted}")
        verified += told
    stage.findings.leases_verified = verified
    took = time.monotonic() - began
    return (
        f"{verified} leases, each proved to be in the log; after {took:.1f} s, with a first signed heartbeat,",
        f"every phone opens both of its files: the decision is Allowed, for {LEASE.total_seconds():.0f} s at a time",
    )


def _is_stored(found: WatchSnapshot) -> bool:
    """Whether all that the phone was told survives it: what is stored ends with a bookmark, which counts the events."""
    told = [each for each in found.subjects if each.feed is Feed.DEVICE]
    return found.sequences[Feed.DEVICE.value] >= len(told)


def _leases(found: WatchSnapshot) -> int:
    return sum(each.uri == LEASE_GRANTED for each in found.subjects)
