"""Keys between two services, each with a home and a token of its own, over the wire; and settings that people approve."""

import hashlib
import json
from collections.abc import Iterator

import grpc
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark.v1 import approvals_pb2, approvals_pb2_grpc, common_pb2, keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.transfer import Recipient
from hallmark_client.wire.scalars import member_of
from hallmark_composite import CompositePublicKey, verify
from hallmark_envelope import HpkeKem, export_info, exported_name, import_info, seal_envelope
from hallmark_envelope.transfer import TransferAlgorithm
from hallmark_tlog.entry import parse_entry
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService, running_service

SETTINGS = """
[server]
admins = ["alice", "bob", "carol"]
[approvals.required]
export = 2
policy_change = 1
trust_root_change = 1
"""
WRAPPED = keys_pb2.EXPORT_POLICY_WRAPPED
MOVABLE = [
    common_pb2.ALGORITHM_MLDSA65_ECDSA_P256_SHA512,
    common_pb2.ALGORITHM_MLDSA87_ECDSA_P384_SHA512,
    common_pb2.ALGORITHM_ML_DSA_65,
    common_pb2.ALGORITHM_ECDSA_P256_SHA256,
    common_pb2.ALGORITHM_HPKE_MLKEM768_X25519,
]


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose operators want to be asked."""
    with running_service(tmp_path_factory.mktemp("transfer"), settings=SETTINGS) as running:
        yield running


@pytest.fixture
def here(careful: RunningService) -> Iterator[keys_pb2_grpc.KeyServiceStub]:
    with channel(careful) as opened:
        yield keys_pb2_grpc.KeyServiceStub(opened)


@pytest.fixture
def there(service: RunningService) -> Iterator[keys_pb2_grpc.KeyServiceStub]:
    with channel(service) as opened:
        yield keys_pb2_grpc.KeyServiceStub(opened)


def create(keys: keys_pb2_grpc.KeyServiceStub, **more) -> keys_pb2.Key:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), **more)
    return keys.CreateKey(request, timeout=20).key


def agreed(service: RunningService, act: int, subject: str, parameters: bytes = b"", people=("bob", "carol")) -> str:
    with channel(service) as opened:
        request = approvals_pb2.CreateProposalRequest(
            parent=PARENT, act=act, subject=subject, parameters_sha256=parameters, request_id=fresh_id()
        )
        proposal = approvals_pb2_grpc.ApprovalServiceStub(opened).CreateProposal(request, timeout=20)
    for who in people:
        pem = (service.home / "clients" / who / "key.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        signature = key.sign(b"hallmark/approval/v1\n" + proposal.payload, ec.ECDSA(hashes.SHA256()))
        approve = approvals_pb2.ApproveProposalRequest(name=proposal.name, signature=signature, request_id=fresh_id())
        with channel(service, who) as opened:
            approvals_pb2_grpc.ApprovalServiceStub(opened).ApproveProposal(approve, timeout=20)
    return proposal.name


def wrapping(keys: keys_pb2_grpc.KeyServiceStub) -> keys_pb2.WrappingKey:
    return keys.GetWrappingKey(keys_pb2.GetWrappingKeyRequest(parent=PARENT), timeout=20)


def export_request(version: str, to: keys_pb2.WrappingKey, proposal: str = "") -> keys_pb2.ExportKeyRequest:
    recipient = keys_pb2.ExportRecipient(algorithm=to.algorithm, public_key=to.public_key)
    return keys_pb2.ExportKeyRequest(name=version, recipient=recipient, proposal=proposal, request_id=fresh_id())


def parameters_of(to: keys_pb2.WrappingKey) -> bytes:
    return Recipient(algorithm=member_of(Algorithm, to.algorithm), public_key=to.public_key).sha256


@pytest.mark.parametrize("algorithm", MOVABLE, ids=common_pb2.Algorithm.Name)
def test_a_key_moves_from_one_service_to_another(careful, service, here, there, algorithm: int) -> None:
    made = create(here, algorithm=algorithm, export_policy=WRAPPED)
    version, to = made.primary_version, wrapping(there)
    proposal = agreed(careful, approvals_pb2.PROPOSED_ACT_EXPORT, version, parameters_of(to))
    exported = here.ExportKey(export_request(version, to, proposal), timeout=20)
    imported = there.ImportKey(
        keys_pb2.ImportKeyRequest(
            parent=PARENT,
            key_id=fresh_name(),
            algorithm=exported.algorithm,
            purpose=exported.purpose,
            wrapping_key=to.name,
            envelope=exported.envelope,
            public_key=exported.public_key,
            exported_as=exported.name,
            request_id=fresh_id(),
        ),
        timeout=20,
    )
    (arrived,) = imported.key.versions
    assert arrived.origin == keys_pb2.KEY_ORIGIN_IMPORTED
    assert arrived.protection_level == common_pb2.PROTECTION_LEVEL_IMPORTED
    assert {half.protection_level for half in arrived.components} <= {common_pb2.PROTECTION_LEVEL_IMPORTED}
    assert made.versions[0].protection_level == common_pb2.PROTECTION_LEVEL_HSM_WRAPPED, "it can leave"
    assert arrived.public_key_sha256 == made.versions[0].public_key_sha256
    entry = json.loads(imported.log.entry)
    assert (entry["type"], entry["details"]["exported_as"]) == ("key.imported", version)
    if exported.purpose == keys_pb2.KEY_PURPOSE_SIGN:
        _both_sign_alike(careful, service, made.name, imported.key.name, here, there)


def _both_sign_alike(careful, service, old: str, new: str, here, there) -> None:
    for running, name, other, verifier in ((careful, old, new, there), (service, new, old, here)):
        with channel(running) as opened:
            sign = keys_pb2.SignRequest(name=name, data=b"the same key", request_id=fresh_id())
            signed = keys_pb2_grpc.SigningServiceStub(opened).Sign(sign, timeout=20)
        public = verifier.GetPublicKey(keys_pb2.GetPublicKeyRequest(name=other), timeout=20)
        if public.algorithm == common_pb2.ALGORITHM_MLDSA65_ECDSA_P256_SHA512:
            verify(CompositePublicKey.from_spki_pem(public.pem), signed.signature, message=b"the same key", context=b"")
        with channel(service if running is careful else careful) as opened:
            check = keys_pb2.VerifyRequest(name=other, data=b"the same key", signature=signed.signature)
            keys_pb2_grpc.SigningServiceStub(opened).Verify(check, timeout=20)


def test_every_export_is_approved_logged_and_audited(careful, here, there) -> None:
    version = create(here, export_policy=WRAPPED).primary_version
    to = wrapping(there)
    before = len(careful.audit())
    refusal = refused(here.ExportKey, export_request(version, to))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "APPROVAL_REQUIRED")
    metadata = refusal.details["ErrorInfo"].metadata
    assert (metadata["act"], metadata["subject"], metadata["approvals_needed"]) == ("export", version, "2")
    assert metadata["parameters_sha256"] == parameters_of(to).hex()
    once = agreed(careful, approvals_pb2.PROPOSED_ACT_EXPORT, version, parameters_of(to), people=("bob",))
    assert refused(here.ExportKey, export_request(version, to, once)).reason == "PROPOSAL_NOT_APPROVED"
    request = export_request(
        version, to, agreed(careful, approvals_pb2.PROPOSED_ACT_EXPORT, version, parameters_of(to))
    )
    first, again = here.ExportKey(request, timeout=20), here.ExportKey(request, timeout=20)
    assert (again.replayed, again.envelope) == (True, first.envelope)
    details = json.loads(first.log.entry)["details"]
    assert (details["proposal"], details["recipient_sha256"]) == (request.proposal, parameters_of(to).hex())
    lines = [line for line in careful.audit()[before:] if str(line["method"]).endswith("/ExportKey")]
    assert {line["outcome"] for line in lines} == {"OK", "FAILED_PRECONDITION"}
    assert all(str(line["caller"]).endswith("/admin/admin") for line in lines)
    with channel(careful, "backend") as opened:
        stub = keys_pb2_grpc.KeyServiceStub(opened)
        assert refused(stub.ExportKey, request).reason == "ROLE_NOT_ALLOWED"


def test_keys_are_exported_only_when_they_were_made_for_it(careful, here, there) -> None:
    to = wrapping(there)
    stays = create(here).primary_version
    proposal = agreed(careful, approvals_pb2.PROPOSED_ACT_EXPORT, stays, parameters_of(to))
    assert refused(here.ExportKey, export_request(stays, to, proposal)).reason == "EXPORT_FORBIDDEN"
    create_request = keys_pb2.CreateKeyRequest(
        parent=PARENT,
        key_id=fresh_name(),
        algorithm=common_pb2.ALGORITHM_ED25519,
        export_policy=WRAPPED,
        request_id=fresh_id(),
    )
    assert refused(here.CreateKey, create_request).reason == "ALGORITHM_UNSUPPORTED", "this token lets none go"
    for name in ("tenants/others/keys/k/versions/1", "tenants/system/keys/import/versions/1"):
        assert refused(here.ExportKey, export_request(name, to)).reason == "RESOURCE_NOT_FOUND"
    broken = export_request(stays, to)
    broken.recipient.public_key = b"short"
    assert refused(here.ExportKey, broken).reason == "FIELD_INVALID"


def _foreign(there, **changes) -> keys_pb2.ImportKeyRequest:
    """An ECDSA key that somebody made with OpenSSL."""
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    to, key_id = wrapping(there), fresh_name()
    info = import_info(algorithm=TransferAlgorithm.ECDSA_P256, key_name=f"{PARENT}/keys/{key_id}/versions/1")
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return keys_pb2.ImportKeyRequest(
        **{
            "parent": PARENT,
            "key_id": key_id,
            "algorithm": common_pb2.ALGORITHM_ECDSA_P256_SHA256,
            "wrapping_key": to.name,
            "envelope": seal_envelope(to.public_key, HpkeKem.MLKEM1024_P384, encoded, info=info),
            "public_key": point,
            "request_id": fresh_id(),
            **changes,
        }
    )


def test_an_import_is_done_once_and_leaves_nothing_when_it_is_refused(there) -> None:
    request = _foreign(there)
    first, again = there.ImportKey(request, timeout=20), there.ImportKey(request, timeout=20)
    assert (first.key.versions, again.replayed) == (again.key.versions, True)
    assert json.loads(first.log.entry)["details"]["origin"] == "imported"
    other = _foreign(there)
    for change, reason in (
        ({"public_key": other.public_key}, "IMPORT_REFUSED"),
        ({"envelope": other.envelope}, "ENVELOPE_INVALID"),
        ({"algorithm": common_pb2.ALGORITHM_UNSPECIFIED}, "FIELD_INVALID"),
        ({"envelope": b""}, "FIELD_INVALID"),
        ({"envelope_crc32c": 1}, "CHECKSUM_MISMATCH"),
        ({"parent": "tenants/others"}, "RESOURCE_NOT_FOUND"),
    ):
        wrong = _foreign(there)
        for field, value in change.items():
            setattr(wrong, field, value)
        assert refused(there.ImportKey, wrong).reason == reason, change
        name = f"{PARENT}/keys/{wrong.key_id}"
        assert refused(there.GetKey, keys_pb2.GetKeyRequest(name=name)).reason == "RESOURCE_NOT_FOUND"
    request.request_id = fresh_id()
    assert refused(there.ImportKey, request).reason == "KEY_EXISTS"


def test_what_another_tenant_exported_to_this_service_is_not_ours_to_import(there) -> None:
    """The wrapping key is everybody's, and the envelope names its sender only."""
    request, other = _foreign(there), "tenants/others/keys/payroll/versions/1"
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = export_info(algorithm=TransferAlgorithm.ECDSA_P256, key_name=exported_name(other, "SIGN"))
    request.envelope = seal_envelope(wrapping(there).public_key, HpkeKem.MLKEM1024_P384, encoded, info=info)
    request.public_key = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    request.exported_as = other
    assert refused(there.ImportKey, request).reason == "IMPORT_REFUSED"


def test_an_exported_key_keeps_its_purpose(careful, here, there) -> None:
    version = create(here, export_policy=WRAPPED, purpose=keys_pb2.KEY_PURPOSE_MANIFEST).primary_version
    to = wrapping(there)
    proposal = agreed(careful, approvals_pb2.PROPOSED_ACT_EXPORT, version, parameters_of(to))
    exported = here.ExportKey(export_request(version, to, proposal), timeout=20)
    request = keys_pb2.ImportKeyRequest(
        parent=PARENT,
        key_id=fresh_name(),
        algorithm=exported.algorithm,
        purpose=keys_pb2.KEY_PURPOSE_SIGN,
        wrapping_key=to.name,
        envelope=exported.envelope,
        public_key=exported.public_key,
        exported_as=exported.name,
        request_id=fresh_id(),
    )
    assert refused(there.ImportKey, request).reason == "ENVELOPE_INVALID"
    request.purpose, request.request_id = keys_pb2.KEY_PURPOSE_MANIFEST, fresh_id()
    assert there.ImportKey(request, timeout=20).key.purpose == keys_pb2.KEY_PURPOSE_MANIFEST


def test_the_making_of_every_key_can_be_looked_up_in_the_log(service, there) -> None:
    to = wrapping(there)
    rotated = there.RotateKey(keys_pb2.RotateKeyRequest(name=create(there).name, request_id=fresh_id()), timeout=20)
    published = there.CreateKey(  # a published checkpoint that covers what was made before
        keys_pb2.CreateKeyRequest(
            parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), log_wait=common_pb2.LOG_WAIT_PUBLISHED
        ),
        timeout=20,
    )
    keys = [to.creation_event_key, *(version.creation_event_key for version in rotated.key.versions)]
    assert published.key.versions[0].creation_event_key == published.log.event_key
    with channel(service, "auditor") as opened:
        for event_key in keys:
            request = log_pb2.GetInclusionProofRequest(event_key=event_key)
            found = log_pb2_grpc.LogServiceStub(opened).GetInclusionProof(request, timeout=20)
            details = json.loads(found.entry)["details"]
            assert details["origin"] == "generated"
            assert details["token"]["model"] == "SoftHSM v2"
            assert set(parse_entry(found.entry).commitments) == {"token_serial"}
            assert {half["kept"] for half in details["halves"]} <= {"sealed", "token"}


def test_looser_settings_take_others_and_stricter_ones_do_not(careful, here) -> None:
    made = create(here)

    def update(seconds: int, **more) -> keys_pb2.UpdateKeyRequest:
        request = keys_pb2.UpdateKeyRequest(key=keys_pb2.Key(name=made.name), request_id=fresh_id(), **more)
        request.key.destroy_wait.FromSeconds(seconds)
        request.update_mask.paths.append("destroy_wait")
        return request

    day = 86400
    here.UpdateKey(update(60 * day), timeout=20)
    refusal = refused(here.UpdateKey, update(day))
    assert refusal.reason == "APPROVAL_REQUIRED"
    rehearsal = here.UpdateKey(update(day, validate_only=True), timeout=20)
    assert (list(rehearsal.loosened), rehearsal.approvals_needed) == (["destroy_wait"], 1)
    metadata = refusal.details["ErrorInfo"].metadata
    assert metadata["parameters_sha256"] == rehearsal.parameters_sha256.hex()
    assert (metadata["act"], metadata["subject"]) == ("policy_change", made.name)
    act = approvals_pb2.PROPOSED_ACT_POLICY_CHANGE
    proposal = agreed(careful, act, made.name, rehearsal.parameters_sha256, people=("bob",))
    assert refused(here.UpdateKey, update(2 * day, proposal=proposal)).reason == "PROPOSAL_NOT_APPROVED"
    assert refused(here.UpdateKey, update(90 * day, proposal=proposal)).reason == "PROPOSAL_NOT_APPROVED"
    changed = here.UpdateKey(update(day, proposal=proposal), timeout=20)
    assert changed.key.destroy_wait.seconds == day
    assert refused(here.UpdateKey, update(day, proposal=proposal)).reason == "PROPOSAL_NOT_APPROVED", "nothing to do"


def test_a_lead_of_its_own_is_part_of_what_is_approved(careful, here) -> None:
    name = "tenants/system/keys/envelope-keys"
    request = keys_pb2.RotateKeyRequest(name=name, request_id=fresh_id())
    request.publish_lead.FromSeconds(10 * 86400)
    parameters = bytes.fromhex(refused(here.RotateKey, request).details["ErrorInfo"].metadata["parameters_sha256"])
    assert parameters == hashlib.sha256(b"hallmark/rotation-lead/v1\n864000").digest()
    act = approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE
    request.proposal = agreed(careful, act, name, parameters, people=("bob",))
    shorter = keys_pb2.RotateKeyRequest()
    shorter.CopyFrom(request)
    shorter.publish_lead.FromSeconds(0)
    assert refused(here.RotateKey, shorter).reason == "PROPOSAL_NOT_APPROVED"
    assert here.RotateKey(request, timeout=20).key.versions[0].state == keys_pb2.KEY_VERSION_STATE_PRE_ACTIVE


def test_roots_of_trust_take_others(careful, here) -> None:
    name = "tenants/system/keys/trust-bundle"
    request = keys_pb2.RotateKeyRequest(name=name, request_id=fresh_id())
    refusal = refused(here.RotateKey, request)
    assert refusal.reason == "APPROVAL_REQUIRED"
    assert refusal.details["ErrorInfo"].metadata["act"] == "trust_root_change"
    rehearsal = keys_pb2.RotateKeyRequest(name=name, request_id=fresh_id(), validate_only=True)
    assert here.RotateKey(rehearsal, timeout=20).key.versions[0].state == keys_pb2.KEY_VERSION_STATE_PRE_ACTIVE
    act = approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE
    request.proposal = agreed(careful, act, name, people=("bob",))
    at_once = keys_pb2.RotateKeyRequest()
    at_once.CopyFrom(request)
    at_once.publish_lead.FromSeconds(0)
    assert refused(here.RotateKey, at_once).reason == "PROPOSAL_NOT_APPROVED", "nobody agreed to that"
    rotated = here.RotateKey(request, timeout=20)
    waiting = rotated.key.versions[0]
    destroy = keys_pb2.ChangeKeyVersionStateRequest(
        name=waiting.name, action=keys_pb2.KEY_VERSION_ACTION_SCHEDULE_DESTROY, request_id=fresh_id()
    )
    refusal = refused(here.ChangeKeyVersionState, destroy)
    assert refusal.reason == "APPROVAL_REQUIRED", "also where other destructions take nobody's"
    assert refusal.details["ErrorInfo"].metadata["act"] == "trust_root_change"
    assert rotated.readiness.next_version == waiting.name
    assert rotated.readiness.bundle_sequence > 0, "published before it signs"
    change = keys_pb2.ChangeKeyVersionStateRequest(
        name=waiting.name, action=keys_pb2.KEY_VERSION_ACTION_ACTIVATE, request_id=fresh_id()
    )
    assert refused(here.ChangeKeyVersionState, change).reason == "APPROVAL_REQUIRED"
    change.proposal = agreed(careful, act, waiting.name, people=("bob",))
    assert here.ChangeKeyVersionState(change, timeout=20).key.primary_version == waiting.name
    update = keys_pb2.UpdateKeyRequest(key=keys_pb2.Key(name=name), request_id=fresh_id())
    update.key.rotation.period.FromSeconds(365 * 86400)
    update.update_mask.paths.append("rotation")
    assert refused(here.UpdateKey, update).reason == "APPROVAL_REQUIRED", "any setting of them"
