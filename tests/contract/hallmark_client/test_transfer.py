import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import (
    Algorithm,
    AlreadyExists,
    Client,
    EnvelopeInvalid,
    ExportedKey,
    ExportPolicy,
    FailedPrecondition,
    InvalidArgument,
    Key,
    KeyOrigin,
    PermissionDenied,
    ProtectionLevel,
    Recipient,
    SignatureInvalid,
    VerificationFailed,
)
from hallmark_client.model.transfer import read_recipient
from hallmark_composite import verify
from hallmark_envelope import EnvelopeInvalid as DoesNotOpen
from hallmark_envelope import EnvelopePrivateKey, HpkeKem, seal_envelope

OFFLINE = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(range(32)))
TO_OFFLINE = Recipient(algorithm=Algorithm.HPKE_MLKEM768_X25519, public_key=OFFLINE.public_key)


def fresh_name() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def bob(client_under_test) -> Client:
    return client_under_test(name="bob")


@pytest.fixture
def movable(admin: Client) -> Key:
    return admin.keys.create(fresh_name(), export_policy=ExportPolicy.WRAPPED)


def approved(admin: Client, bob: Client, version: str, recipient: Recipient) -> str:
    made = admin.approvals.propose("EXPORT", version, parameters_sha256=recipient.sha256)
    return bob.approvals.approve(made).name


def export(admin: Client, bob: Client, version: str, recipient: Recipient = TO_OFFLINE) -> ExportedKey:
    return admin.keys.export(version, recipient, proposal=approved(admin, bob, version, recipient))


def test_a_key_leaves_and_comes_back_as_the_same_key(admin: Client, bob: Client, movable: Key) -> None:
    wrapping = admin.keys.wrapping_key()
    exported = export(admin, bob, movable.primary_version, wrapping.recipient)
    assert exported.name == movable.primary_version
    read = ExportedKey.from_bytes(exported.to_bytes())
    assert (read.name, read.envelope, read.public_key) == (exported.name, exported.envelope, exported.public_key)
    name = fresh_name()
    made = admin.keys.import_key(
        name,
        algorithm=read.algorithm,
        purpose=read.purpose,
        envelope=read.envelope,
        wrapping_key=wrapping.name,
        public_key=read.public_key,
        exported_as=read.name,
        labels={"from": "elsewhere"},
    )
    (version,) = made.versions
    assert (version.origin, version.protection_level) == (KeyOrigin.IMPORTED, ProtectionLevel.IMPORTED)
    assert {half.protection_level for half in version.components} == {ProtectionLevel.IMPORTED}
    assert not version.exportable
    assert made.labels == {"from": "elsewhere"}
    old, new = admin.keys.public_key(movable.name), admin.keys.public_key(name)
    assert old.raw == new.raw
    for key in (movable.name, name):
        signature = admin.signing.sign(key, b"the same key", context=b"c")
        verify(old.composite(), signature.signature, message=b"the same key", context=b"c")
    assert admin.signing.sign(name, b"m").protection_level is ProtectionLevel.IMPORTED
    rotated = admin.keys.rotate(name)
    assert [each.origin for each in rotated.versions] == [KeyOrigin.GENERATED, KeyOrigin.IMPORTED]


def test_an_envelope_key_leaves_for_somebody_who_is_no_service(admin: Client, bob: Client) -> None:
    made = admin.keys.create(fresh_name(), purpose="ENVELOPE", export_policy="WRAPPED")
    exported = export(admin, bob, made.primary_version)
    seed = exported.open(OFFLINE)
    key = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, seed)
    assert key.public_key == exported.public_key
    sealed = seal_envelope(exported.public_key, key.kem, b"for both", info=b"")
    assert key.open(sealed) == b"for both"
    other = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(32))
    with pytest.raises(DoesNotOpen):
        exported.open(other)


def test_what_its_owner_seals_is_imported(admin: Client, bob: Client, movable: Key, client_under_test) -> None:
    private_key = export(admin, bob, movable.primary_version).open(OFFLINE)
    stated, name, now = admin.keys.wrapping_key(), fresh_name(), datetime.now(UTC)
    signer = stated.signature.key_version
    trusted = {signer: client_under_test("device").keys.public_key(signer).composite()}
    wrapping = stated.verify(trusted)
    version = f"tenants/default/keys/{name}/versions/1"
    envelope = wrapping.seal(private_key, algorithm=movable.algorithm, version=version, now=now)
    arguments = {
        "algorithm": movable.algorithm,
        "envelope": envelope,
        "wrapping_key": wrapping.name,
        "public_key": admin.keys.public_key(movable.name).raw,
        "export_policy": "WRAPPED",
    }
    with pytest.raises(EnvelopeInvalid):  # sealed for that name and no other
        admin.keys.import_key(fresh_name(), **arguments)
    with pytest.raises(InvalidArgument) as refused:
        admin.keys.import_key(name, **{**arguments, "public_key": bytes(len(arguments["public_key"]))})
    assert refused.value.reason == "IMPORT_REFUSED"
    request_id = str(uuid.uuid4())
    made = admin.keys.import_key(name, **arguments, request_id=request_id)
    again = admin.keys.import_key(name, **arguments, request_id=request_id)
    assert (made.replayed, again.replayed, again.versions) == (False, True, made.versions)
    assert made.log is not None
    assert made.versions[0].creation_event_key == made.log.event_key
    with pytest.raises(AlreadyExists):
        admin.keys.import_key(name, **arguments)
    assert export(admin, bob, version).open(OFFLINE) == private_key, "imported so that it may go on"
    with pytest.raises(VerificationFailed):
        wrapping.seal(private_key, algorithm=movable.algorithm, version=version, now=now + timedelta(days=31))


def test_a_wrapping_key_that_was_changed_is_not_believed(admin: Client) -> None:
    stated = admin.keys.wrapping_key()
    name, recipient = read_recipient(stated.to_bytes())
    assert (name, recipient) == (stated.name, stated.recipient)
    trusted = {stated.signature.key_version: admin.keys.public_key(stated.signature.key_version).composite()}
    fields = {field: getattr(stated, field) for field in type(stated).__dataclass_fields__}
    with pytest.raises(VerificationFailed) as refused:
        type(stated)(**{**fields, "public_key": OFFLINE.public_key}).verify(trusted)
    assert refused.value.reason == "WRAPPING_KEY_INVALID"
    with pytest.raises(SignatureInvalid):
        type(stated)(**{**fields, "payload": stated.payload + b" "}).verify(trusted)
    with pytest.raises(VerificationFailed):
        stated.verify({})


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b'{"hallmark":"exported-key","v":1,"name":7}', b"[" * 9]
)
def test_files_that_are_none_are_refused(content: bytes) -> None:
    for read in (read_recipient, ExportedKey.from_bytes):
        with pytest.raises(InvalidArgument):
            read(content)


def test_a_key_made_to_stay_stays(admin: Client, bob: Client) -> None:
    made = admin.keys.create(fresh_name())
    with pytest.raises(FailedPrecondition) as refused:
        export(admin, bob, made.primary_version)
    assert refused.value.reason == "EXPORT_FORBIDDEN"


def test_a_promise_to_keep_a_key_holds(admin: Client, bob: Client, movable: Key) -> None:
    proposal = approved(admin, bob, movable.primary_version, TO_OFFLINE)
    admin.keys.update(movable.name, export_policy="NEVER")
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.export(movable.primary_version, TO_OFFLINE, proposal=proposal)
    assert refused.value.reason == "EXPORT_FORBIDDEN"
    assert not admin.keys.rotate(movable.name).versions[0].exportable


def test_an_export_takes_a_proposal_of_its_own(admin: Client, bob: Client, movable: Key) -> None:
    version = movable.primary_version

    def refusal(proposal: str, recipient: Recipient = TO_OFFLINE) -> str:
        with pytest.raises(FailedPrecondition) as refused:
            admin.keys.export(version, recipient, proposal=proposal)
        return refused.value.reason

    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.export(version, TO_OFFLINE, proposal="")
    assert refused.value.reason == "APPROVAL_REQUIRED"
    told = refused.value.metadata
    assert (told["act"], told["subject"]) == ("export", version)
    assert told["parameters_sha256"] == TO_OFFLINE.sha256.hex(), "what to propose"
    unapproved = admin.approvals.propose("EXPORT", version, parameters_sha256=TO_OFFLINE.sha256)
    assert refusal(unapproved.name) == "PROPOSAL_NOT_APPROVED"
    proposal = approved(admin, bob, version, TO_OFFLINE)
    assert refusal(proposal, admin.keys.wrapping_key().recipient) == "PROPOSAL_NOT_APPROVED", "another recipient"
    request_id = str(uuid.uuid4())
    first = admin.keys.export(version, TO_OFFLINE, proposal=proposal, request_id=request_id)
    again = admin.keys.export(version, TO_OFFLINE, proposal=proposal, request_id=request_id)
    assert (first.replayed, again.replayed, again.envelope) == (False, True, first.envelope)
    assert first.log is not None
    entry = json.loads(first.log.entry)
    assert (entry["type"], entry["details"]["proposal"]) == ("key.exported", proposal)
    assert refusal(proposal) == "PROPOSAL_USED"


def test_a_compromised_version_is_not_exported(admin: Client, bob: Client, movable: Key) -> None:
    proposal = approved(admin, bob, movable.primary_version, TO_OFFLINE)
    admin.keys.report_compromise(movable.primary_version)
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.export(movable.primary_version, TO_OFFLINE, proposal=proposal)
    assert refused.value.reason == "KEY_VERSION_NOT_ACTIVE"


@pytest.mark.parametrize(
    "changes",
    [
        {"envelope": b"x"},
        {"wrapping_key": "tenants/system/keys/import/versions/9"},
        {"wrapping_key": "tenants/system/keys/trust-bundle/versions/1"},
        {"purpose": "ENVELOPE"},
        {"exported_as": "somewhere else"},
        {"exported_as": "tenants/others/keys/k/versions/1"},
    ],
)
def test_an_import_that_can_not_be_is_refused(admin: Client, changes: dict) -> None:
    wrapping = admin.keys.wrapping_key()
    envelope = seal_envelope(wrapping.public_key, wrapping.recipient.kem, b"no key", info=b"")
    arguments = {"algorithm": "MLDSA65-ECDSA-P256-SHA512", "envelope": envelope, "public_key": b"k"}
    with pytest.raises(InvalidArgument):
        admin.keys.import_key(fresh_name(), **{**arguments, "wrapping_key": wrapping.name, **changes})


@pytest.mark.parametrize("role", ["backend", "auditor", "device"])
def test_only_an_admin_moves_keys_in_and_out(client_under_test, role) -> None:
    client = client_under_test(role)
    for attempt in (
        client.keys.wrapping_key,
        lambda: client.keys.export("k/versions/1", TO_OFFLINE, proposal=str(uuid.uuid4())),
        lambda: client.keys.import_key("k", algorithm="ML-DSA-65", envelope=b"e", wrapping_key="w", public_key=b"k"),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
