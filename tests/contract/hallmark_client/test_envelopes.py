import dataclasses
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import (
    Algorithm,
    AlreadyExists,
    Client,
    EnvelopeInvalid,
    FailedPrecondition,
    InvalidArgument,
    KeyPurpose,
    KeyVersionState,
    NotFound,
    OpenedEnvelope,
    PermissionDenied,
    SealedEnvelope,
    SealingKey,
    VerificationFailed,
)

SECRET = b"61 beats a minute"


@pytest.fixture
def key(admin: Client) -> str:
    return admin.keys.create(f"events-{uuid.uuid4().hex[:12]}", purpose="ENVELOPE").name


def sealing_key(client: Client, key: str) -> SealingKey:
    stated = client.envelopes.key(key)
    signer = stated.signature.key_version
    return stated.verify({signer: client.keys.public_key(signer).composite()})


def seal(client: Client, key: str, plaintext: bytes = SECRET, *, info: bytes = b"") -> SealedEnvelope:
    return sealing_key(client, key).seal(plaintext, info=info, now=datetime.now(UTC))


def test_an_envelope_key_has_a_purpose_of_its_own(admin: Client, key: str) -> None:
    made = admin.keys.get(key)
    assert (made.purpose, made.algorithm) == (KeyPurpose.ENVELOPE, Algorithm.HPKE_MLKEM768_X25519)
    with pytest.raises(FailedPrecondition) as refused:
        admin.signing.sign(key, b"x")
    assert refused.value.reason == "PURPOSE_MISMATCH"
    with pytest.raises(InvalidArgument):
        admin.keys.create(f"key-{uuid.uuid4().hex[:12]}", purpose="ENVELOPE", algorithm="MLDSA65-ECDSA-P256-SHA512")


def test_a_device_seals_and_a_backend_opens(client_under_test, key: str) -> None:
    sealed = seal(client_under_test("device"), key, info=b"events/v1")
    assert sealed.key_version == f"{key}/versions/1"
    backend = client_under_test("backend")
    opened = backend.envelopes.open(sealed, info=b"events/v1")
    assert opened.plaintext == SECRET
    assert opened.log.event_key
    assert SECRET not in opened.log.entry


def test_the_high_level_suite(admin: Client) -> None:
    name = admin.keys.create(f"key-{uuid.uuid4().hex[:12]}", algorithm="HPKE-MLKEM1024-P384").name
    sealed = seal(admin, name)
    assert sealed.kem_id == 0x0051
    assert admin.envelopes.open(sealed).plaintext == SECRET


def test_a_statement_is_signed_for_this_and_nothing_else(admin: Client, key: str) -> None:
    stated = admin.envelopes.key(key)
    assert stated.signature.key_version.startswith("tenants/system/keys/envelope-keys/versions/")
    assert timedelta(0) < stated.not_after - datetime.now(UTC) <= timedelta(days=1, minutes=1)
    with pytest.raises(VerificationFailed) as refused:
        stated.verify({})
    assert refused.value.reason == "KEY_NOT_TRUSTED"


def test_every_wrong_envelope_gets_the_same_answer(admin: Client, key: str) -> None:
    sealed = seal(admin, key, info=b"a")
    changed = dataclasses.replace(sealed, envelope=sealed.envelope[:-1] + bytes([sealed.envelope[-1] ^ 1]))
    short = dataclasses.replace(sealed, envelope=b"short")
    said = set()
    for wrong, info in ((sealed, b"b"), (changed, b"a"), (short, b"a")):
        with pytest.raises(EnvelopeInvalid) as refused:
            admin.envelopes.open(wrong, info=info)
        said.add((refused.value.reason, refused.value.message))
    assert len(said) == 1


def test_a_retry_is_not_logged_again(admin: Client, key: str) -> None:
    sealed, request_id = seal(admin, key), str(uuid.uuid4())
    first = admin.envelopes.open(sealed, request_id=request_id)
    assert admin.envelopes.open(sealed, request_id=request_id) == first
    assert admin.envelopes.open(sealed).log != first.log
    with pytest.raises(AlreadyExists):
        admin.envelopes.open(sealed, request_id=request_id, info=b"x")


def test_many_are_opened_each_on_its_own(admin: Client, key: str) -> None:
    sealing = sealing_key(admin, key)
    sealed = [sealing.seal(number.to_bytes(2, "big"), now=datetime.now(UTC)) for number in range(300)]
    sealed[7] = SealedEnvelope(**{**_fields(sealed[7]), "envelope": b"rubbish"})
    outcomes = admin.envelopes.open_many(sealed)
    assert len(outcomes) == 300
    assert isinstance(outcomes.pop(7), EnvelopeInvalid)
    plaintexts = [outcome.plaintext for outcome in outcomes if isinstance(outcome, OpenedEnvelope)]
    assert plaintexts == [number.to_bytes(2, "big") for number in range(300) if number != 7]
    assert admin.envelopes.open_many([]) == []


def _fields(sealed: SealedEnvelope) -> dict:
    return {field.name: getattr(sealed, field.name) for field in dataclasses.fields(sealed)}


def test_data_keys_open_later(client_under_test, key: str) -> None:
    backend = client_under_test("backend")
    request_id = str(uuid.uuid4())
    made = backend.envelopes.data_key(key, info=b"disk 1", request_id=request_id)
    assert len(made.plaintext) == 32
    assert backend.envelopes.data_key(key, info=b"disk 1", request_id=request_id).plaintext == made.plaintext
    assert backend.envelopes.data_key(key).plaintext != made.plaintext
    suite = sealing_key(backend, key)
    sealed = SealedEnvelope(
        key_version=made.key_version, kem_id=int(suite.kem), kdf_id=1, aead_id=2, envelope=made.envelope
    )
    assert backend.envelopes.open(sealed, info=b"disk 1").plaintext == made.plaintext


def test_epochs_rotate_and_can_be_shredded(admin: Client, key: str) -> None:
    sealed = seal(admin, key)
    with pytest.raises(FailedPrecondition) as refused:
        admin.envelopes.shred(sealed.key_version)
    assert refused.value.reason == "STATE_TRANSITION_INVALID"
    admin.keys.rotate(key)
    newer = seal(admin, key)
    assert newer.key_version == f"{key}/versions/2"
    assert admin.envelopes.open(sealed).plaintext == SECRET
    shredding = admin.envelopes.shred(sealed.key_version)
    assert b"epoch.shredded" in shredding.log.entry
    with pytest.raises(FailedPrecondition) as refused:
        admin.envelopes.open(sealed)
    assert refused.value.reason == "KEY_VERSION_NOT_ACTIVE"
    assert admin.envelopes.open(newer).plaintext == SECRET
    assert admin.keys.get(key).versions[1].state is KeyVersionState.DESTROYED


def test_an_approval_that_is_named_has_to_fit(client_under_test, admin: Client, key: str) -> None:
    admin.keys.rotate(key)
    alice, bob = client_under_test(name="alice"), client_under_test(name="bob")
    proposal = alice.approvals.propose("SHRED", f"{key}/versions/1")
    with pytest.raises(FailedPrecondition) as refused:
        admin.envelopes.shred(f"{key}/versions/1", proposal=proposal.name)
    assert refused.value.reason == "PROPOSAL_NOT_APPROVED"
    bob.approvals.approve(proposal)
    admin.envelopes.shred(f"{key}/versions/1", proposal=proposal.name)
    assert alice.approvals.get(proposal.name).state == "EXECUTED"
    with pytest.raises(FailedPrecondition) as refused:
        bob.approvals.reject(proposal.name)
    assert refused.value.reason == "PROPOSAL_USED"


def test_what_is_not_there_or_no_envelope_key(admin: Client) -> None:
    with pytest.raises(NotFound):
        admin.envelopes.key(f"none-{uuid.uuid4().hex[:8]}")
    signing = admin.keys.create(f"key-{uuid.uuid4().hex[:12]}").name
    for ask in (admin.envelopes.key, admin.envelopes.data_key):
        with pytest.raises(FailedPrecondition) as refused:
            ask(signing)
        assert refused.value.reason == "PURPOSE_MISMATCH"


@pytest.mark.parametrize("role", ["auditor", "device"])
def test_readers_and_devices_open_nothing(client_under_test, admin: Client, key: str, role) -> None:
    sealed = seal(admin, key)
    other = client_under_test(role)
    other.envelopes.key(key)
    for act in (
        lambda: other.envelopes.open(sealed),
        lambda: other.envelopes.open_many([sealed]),
        lambda: other.envelopes.data_key(key),
        lambda: other.envelopes.shred(sealed.key_version),
    ):
        with pytest.raises(PermissionDenied):
            act()
