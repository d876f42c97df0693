import base64
import hashlib
import json
from datetime import UTC

import pytest

from hallmark.v1 import common_pb2
from hallmark_events.event_set import EventSet
from hallmark_tlog.entry import parse_entry
from kms.consent.pseudonyms import open_pseudonyms
from kms.core.errors import AlreadyExists, FailedPrecondition, NotFound, Reason
from kms.log.entries import openings_store
from support.clock import START
from unit.kms.consent.bench import CONTROLLER, ConsentBench, artifact, device

REQUEST_ID = "5d5b6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"
GIVEN = "https://w3id.org/dpv#ConsentGiven"


async def test_a_record_with_the_terms_of_the_standard(bench: ConsentBench) -> None:
    response = await bench.grant(withdrawal_method="https://bank.example/withdraw", storage_locations=["Frankfurt"])
    consent = response.consent
    assert consent.schema_version == "ISO/IEC TS 27560:2023"
    assert consent.name.startswith("tenants/default/consents/")
    assert (consent.state, consent.revision, response.replayed) == (1, 1, False)
    assert list(consent.purposes) == ["dpv:FraudPreventionAndDetection"]
    assert (consent.lawful_basis, consent.controller) == ("dpv:Consent", CONTROLLER)
    assert consent.create_time.ToDatetime(tzinfo=UTC) == START
    assert (consent.expire_time.seconds - consent.create_time.seconds) == 365 * 86400
    assert (consent.removal_time.seconds, consent.lease_terms.duration.seconds) == (86400, 86400 - 300)
    assert not consent.HasField("end_time")
    assert await bench.get(consent.name) == consent


async def test_the_person_is_a_pairwise_pseudonym_and_stands_nowhere(bench: ConsentBench) -> None:
    one = (await bench.grant()).consent.pii_principal_id
    again = (await bench.grant()).consent.pii_principal_id
    elsewhere = (await bench.grant(controller="https://shop.example")).consent.pii_principal_id
    other = (await bench.grant(subject="bob@example.com")).consent.pii_principal_id
    assert len(one) == 43
    assert len(base64.urlsafe_b64decode(one + "=")) == 32
    assert one == again
    assert len({one, elsewhere, other}) == 3
    for table in ("consent", "consent_change", "idempotency_record", "event", "tlog_opening"):
        assert "alice@example.com" not in str(await bench.rows(table))
    assert not any("alice@example.com" in entry or one in entry for entry in await bench.entries())


async def test_no_replayed_request_lets_the_person_be_guessed(bench: ConsentBench) -> None:
    """The fingerprint is the same whoever it was, or another body would be found first; the pseudonym tells."""
    await bench.grant(subject="alice@example.com", request_id=REQUEST_ID)
    with pytest.raises(AlreadyExists) as refused:
        await bench.grant(subject="bob@example.com", request_id=REQUEST_ID)
    assert refused.value.reason is Reason.REQUEST_ID_REUSED
    assert "another person" in refused.value.message


async def test_the_pseudonym_is_of_a_key_of_the_installation(bench: ConsentBench) -> None:
    service = bench.service
    pseudonyms = await open_pseudonyms(service.database, service.randomness)
    consent = (await bench.grant()).consent
    assert pseudonyms.of("default", CONTROLLER, "alice@example.com") == consent.pii_principal_id
    assert pseudonyms.of("other", CONTROLLER, "alice@example.com") != consent.pii_principal_id
    assert pseudonyms.of("default", CONTROLLER + "a", "lice@example.com") != consent.pii_principal_id


async def test_the_log_has_commitments_that_open(bench: ConsentBench) -> None:
    response = await bench.grant()
    entry = parse_entry(response.log.entry)
    assert entry.event_type == "consent.granted"
    assert set(entry.commitments) == {"controller", "pii_principal_id", "purposes", "receipt_sha256"}
    salts = await bench.service.database.read(
        lambda tx: openings_store.find_salts(tx, "default", [response.log.event_key])
    )
    assert set(salts[response.log.event_key]) == set(entry.commitments)


async def test_devices_hear_of_it_once_the_log_has_published_it(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    name = (await bench.grant(devices=[device(1)])).consent.name
    assert not await bench.feed(device(1))
    await bench.publish()
    events = {placed.event.subject: placed.event for placed in await bench.feed(device(1))}
    told = EventSet.parse(events[name].payload)
    own = json.loads(told.data)["events"]["tag:hallmark.local,2026:secevent/odai/event-type/consent-status-change"]
    assert own["hallmark.v1"]["consent_status"] == GIVEN
    assert own["hallmark.v1"]["removal_seconds"] == 86400
    assert own["hallmark.v1"]["purposes"] == ["https://w3id.org/dpv#FraudPreventionAndDetection"]
    assert own["initiating_entity"] == "user"
    assert json.loads(told.data)["sub_id"]["format"] == "complex"
    assert len(events) == 2, "and of its lease"
    promise = events[name].promise
    assert promise is not None
    assert promise.tlog_proof is not None


async def test_leases_at_once_for_devices_that_are_trusted(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1), device(2), device(3))
    bench.devices.appraised.discard(device(2))
    bench.devices.overdue.add(device(3))
    name = (await bench.grant(devices=[device(1), device(2), device(3)], artifacts=[1, 2])).consent.name
    leases = await bench.leases(consent=name)
    assert {(lease.device, lease.artifact) for lease in leases} == {
        (str(device(1)), str(artifact(1))),
        (str(device(1)), str(artifact(2))),
    }
    assert all(lease.live and lease.revision == 1 for lease in leases)
    assert all(lease.status.uri == "https://status.example/status/default/lists/0" for lease in leases)
    assert len({lease.status.idx for lease in leases}) == 2


async def test_a_device_that_nobody_knows_or_that_was_revoked_is_refused(bench: ConsentBench) -> None:
    with pytest.raises(NotFound):
        await bench.grant(devices=[device(9)])
    bench.devices.enrol(device(1))
    bench.devices.revoked.add(device(1))
    with pytest.raises(FailedPrecondition) as refused:
        await bench.grant(devices=[device(1)])
    assert refused.value.reason is Reason.DEVICE_REVOKED
    assert not (await bench.consents()).consents


async def test_a_replay_is_answered_with_the_first_consent(bench: ConsentBench) -> None:
    first = await bench.grant(request_id=REQUEST_ID)
    again = await bench.grant(request_id=REQUEST_ID, log_wait=common_pb2.LOG_WAIT_COMMITTED)
    assert again.replayed
    assert (again.consent, again.log) == (first.consent, first.log)
    with pytest.raises(AlreadyExists):
        await bench.grant(request_id=REQUEST_ID, artifacts=[2])
    assert len((await bench.consents()).consents) == 1


async def test_whole_iris_and_terms_of_extensions_may_be_named(bench: ConsentBench) -> None:
    purposes = ["dpv:ServiceProvision", "https://example.com/purposes#research", "urn:example:purpose"]
    consent = (await bench.grant(purposes=purposes, lawful_basis="eu-gdpr:A6-1-a")).consent
    assert (list(consent.purposes), consent.lawful_basis) == (purposes, "eu-gdpr:A6-1-a")
    payload = json.loads((await bench.receipt(consent.name)).payload)
    assert payload["record"]["pii_processing"][0]["lawful_basis"] == "https://w3id.org/dpv/legal/eu/gdpr#A6-1-a"


async def test_the_receipt_is_committed_to(bench: ConsentBench) -> None:
    response = await bench.grant()
    receipt = await bench.receipt(response.consent.name)
    assert receipt.log.event_key == response.log.event_key
    assert hashlib.sha256(receipt.payload).digest()
    assert receipt.signature.context == "hallmark/consent-receipt/v1"
