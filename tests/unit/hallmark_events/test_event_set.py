import json
from datetime import timedelta

import pytest

from hallmark_events.canonical import canonical_json
from hallmark_events.errors import EventInvalid
from hallmark_events.event_set import SET_BYTES_MAX, EventSet, encode
from hallmark_events.subject_ids import complex_subject, opaque
from hallmark_events.types import CREDENTIAL_CHANGE, OWN_NAMESPACE, Initiator, StatusValue
from kms.events.model import Draft, InitiatingEntity, Status
from kms.events.payload import event_payload
from unit.hallmark_events.events_world import ISSUER, START, event, uuid7

PLAIN = event(
    7,
    "keys/manifest",
    StatusValue.INVALID,
    uri=CREDENTIAL_CHANGE,
    reason="KEY_COMPROMISE",
    reason_admin="The private key may be known to others.",
    transaction_id="call-1",
    effective_time=START,
    members={"change_type": "revoke", "credential_type": "signing-key"},
    own={"version": 2},
)


def altered(change) -> bytes:
    claims = json.loads(PLAIN.data)
    change(claims)
    return canonical_json(claims)


def own_of(claims: dict) -> dict:
    return claims["events"][CREDENTIAL_CHANGE][OWN_NAMESPACE]


def test_an_event_says_what_was_written() -> None:
    assert PLAIN.issuer == ISSUER
    assert PLAIN.jti == uuid7(7)
    assert PLAIN.subject == "tenants/acme/keys/manifest"
    assert PLAIN.sub_id == opaque("tenants/acme/keys/manifest")
    assert (PLAIN.revision, PLAIN.status) == (7, StatusValue.INVALID)
    assert (PLAIN.event_time, PLAIN.effective_time) == (START + timedelta(seconds=7), START)
    assert PLAIN.initiating_entity is Initiator.ADMIN
    assert (PLAIN.reason, PLAIN.transaction_id) == ("KEY_COMPROMISE", "call-1")
    assert PLAIN.own["version"] == 2
    assert PLAIN.members["credential_type"] == "signing-key"
    assert PLAIN.members["reason_admin"] == {"en": "The private key may be known to others."}


def test_the_bytes_are_those_of_rfc_8417_claims() -> None:
    claims = json.loads(PLAIN.data)
    assert set(claims) == {"iss", "iat", "jti", "txn", "toe", "sub_id", "events"}
    assert claims["sub_id"] == {"format": "opaque", "id": "tenants/acme/keys/manifest"}
    assert own_of(claims)["status"] == "INVALID"


def test_an_event_about_a_person_has_a_complex_subject() -> None:
    sub_id = complex_subject(tenant=opaque("tenants/acme"), user=opaque("pairwise-1"), device=None)
    found = event(1, "consents/c", StatusValue.VALID, sub_id=sub_id)
    assert found.sub_id == sub_id


@pytest.mark.parametrize(
    "change",
    [
        lambda claims: claims.update(exp=1),
        lambda claims: claims.update(sub="x"),
        lambda claims: claims.pop("iss"),
        lambda claims: claims.update(iat=True),
        lambda claims: claims.update(jti=uuid7(10).upper()),
        lambda claims: claims.update(jti="00000007-0000-4000-8000-000000000007"),
        lambda claims: claims.update(events={}),
        lambda claims: claims["events"].update({"urn:second": {}}),
        lambda claims: claims.update(sub_id={"format": "opaque", "id": "tenants/acme/keys/other"}),
        lambda claims: claims.pop("sub_id"),
        lambda claims: claims["events"][CREDENTIAL_CHANGE].pop(OWN_NAMESPACE),
        lambda claims: claims["events"][CREDENTIAL_CHANGE].update(initiating_entity="robot"),
        lambda claims: own_of(claims).update(revision=0),
        lambda claims: own_of(claims).update(revision=True),
        lambda claims: own_of(claims).update(status="valid"),
        lambda claims: own_of(claims).update(status=1),
        lambda claims: own_of(claims).update(subject="keys/manifest"),
        lambda claims: own_of(claims).update(event_time="2026-11-22T10:00:00Z"),
        lambda claims: own_of(claims).update(effective_time="2026-02-30T10:00:00.000000Z"),
        lambda claims: own_of(claims).pop("event_time"),
    ],
    ids=[f"change {number}" for number in range(20)],
)
def test_what_is_no_event_is_refused(change) -> None:
    with pytest.raises(EventInvalid):
        EventSet.parse(altered(change))


def test_only_the_canonical_spelling_is_read() -> None:
    assert EventSet.parse(altered(lambda _: None)) == PLAIN
    for data in (PLAIN.data + b" ", PLAIN.data.replace(b'"iat"', b' "iat"'), b"[]", b"", b"\xff", b"[" * 60_000):
        with pytest.raises(EventInvalid):
            EventSet.parse(data)


def test_the_size_is_bounded() -> None:
    with pytest.raises(EventInvalid, match="65536"):
        event(1, "keys/k", StatusValue.VALID, own={"filler": "x" * SET_BYTES_MAX})


def test_members_of_a_type_do_not_replace_those_of_every_event() -> None:
    for extra in ({"own": {"status": "VALID"}}, {"members": {"event_timestamp": 1}}):
        with pytest.raises(EventInvalid):
            event(1, "keys/k", StatusValue.INVALID, **extra)


def test_nothing_is_written_that_can_not_be_read() -> None:
    with pytest.raises(EventInvalid):
        encode(
            issuer=ISSUER,
            jti="1",
            uri=CREDENTIAL_CHANGE,
            subject="tenants/acme/keys/k",
            revision=1,
            status=StatusValue.INVALID,
            event_time=START,
            initiating_entity=Initiator.SYSTEM,
        )
    with pytest.raises(EventInvalid):
        event(1, "keys/k", StatusValue.INVALID, own={"share": 1.5})


@pytest.mark.parametrize(
    ("members", "own", "sub_id"),
    [
        ({"change_type": "revoke", "reason_admin": {"en": "Lost."}}, {"reason": "DEVICE_LOST"}, None),
        ({"namespace": "hallmark.v1", "current_level": "appraised"}, {"verdict": "tenants/acme/verdicts/v"}, None),
        ({}, {}, complex_subject(user=opaque("pairwise-1")).to_json()),
    ],
    ids=["revocation", "assurance", "person"],
)
def test_what_the_service_signs_is_read(members, own, sub_id) -> None:
    draft = Draft(
        id=uuid7(3),
        tenant="acme",
        uri=CREDENTIAL_CHANGE,
        subject="tenants/acme/devices/d",
        revision=4,
        status=Status.SUSPENDED,
        event_time=START,
        effective_time=START,
        initiating_entity=InitiatingEntity.POLICY,
        members=members,
        own=own,
        sub_id=sub_id,
        transaction_id="call-1",
    )
    found = EventSet.parse(event_payload(draft, issuer=ISSUER))
    assert (found.jti, found.subject, found.revision) == (draft.id, draft.subject, 4)
    assert found.status is StatusValue.SUSPENDED
    assert found.own.items() >= own.items()
    assert found.members.items() >= members.items()
