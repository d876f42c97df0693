"""The TPM of a root enrols, quotes, signs and certifies its counter, believed by the service's own judges."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from attestation import Anchors, Collateral, Expectation, Policy, Reason, Verdict, verify
from attestation.model import Evidence as LibraryEvidence
from attestation.model import Format, Part
from attestation.tpm_collateral import TpmCollateral
from attestation.tpm_credential import make_credential
from attestation.tpm_nv import check_counter
from attestation.tpm_structures import parse_public
from hallmark.v1 import devices_pb2, removal_pb2
from hallmark_client import Challenge, ChallengePurpose, Evidence, EvidenceFormat
from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.life.attester import Attester, DeviceKey, Proof
from hallmark_client.device.roots.tpm2 import Tpm2Root
from hallmark_client.device.roots.tpm2.attestation import TpmAttester
from hallmark_client.model.devices import TpmCredential, hpke_message
from kms.core.errors import FailedPrecondition
from kms.core.names import ChildName
from kms.devices.tpm import make_for, read_tpm_keys
from support.randomness import SeededRandomness
from support.swtpm import NEEDS_SWTPM
from support.swtpm_root import TpmRootBench, alone, tpm_root_bench
from unit.kms.devices.test_purposes import attest_request
from unit.kms.removal.bench import RemovalBench, removals_running
from unit.kms.revocation.bench import TENANT

pytestmark = [*NEEDS_SWTPM]

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def attester(root: Tpm2Root) -> TpmAttester:
    return TpmAttester(root, boot_log=None)


def judge(attester: TpmAttester, proof: Evidence, *, challenge: bytes, spki: bytes | None = None) -> Verdict:
    keys = attester.keys()
    ak, ek = parse_public(keys.ak_public), parse_public(keys.ek_public)
    enrolled = TpmCollateral(
        enrolled_names=frozenset({ak.name, ek.name}), credential_name=ak.name, credential_ek=ek.spki
    )
    evidence = LibraryEvidence(Format.TPM, tuple(Part(name, data) for name, data in proof.parts))
    return verify(
        evidence,
        expectation=Expectation(challenge, spki),
        anchors=Anchors(()),
        collateral=Collateral(tpm=enrolled),
        policy=Policy(),
        at=NOW,
    )


def asked(challenge: bytes = b"", credential: TpmCredential | None = None) -> Challenge:
    return Challenge(
        name="tenants/t/challenges/c", challenge=challenge, expire_time=NOW, purpose=ChallengePurpose.FIRST_BOOT,
        key_spki=b"", tpm_credential=credential,
    )  # fmt: skip


def credential_for(attester: TpmAttester, secret: bytes) -> TpmCredential:
    """As the service makes it."""
    keys = attester.keys()
    read = read_tpm_keys(ek_certificates=keys.ek_certificates, ek_public=keys.ek_public, ak_public=keys.ak_public)
    made, _ = make_for(read, secret, SeededRandomness(1))
    return TpmCredential(credential_blob=made.id_object, encrypted_secret=made.encrypted_secret)


def test_it_is_an_attester(attester: TpmAttester) -> None:
    port: Attester = attester
    key = port.key()
    assert key is not None
    assert key.spki == parse_public(attester.keys().ak_public).spki
    assert port.purpose is ChallengePurpose.FIRST_BOOT


def test_it_opens_a_credential_of_the_service(attester: TpmAttester) -> None:
    secret = secrets.token_bytes(32)
    proof = attester.prove(asked(credential=credential_for(attester, secret)), attester.key())
    assert proof.challenge == secret
    verdict = judge(attester, proof.evidence, challenge=secret, spki=attester.key().spki)
    assert verdict.appraised, verdict.findings


def test_it_opens_no_credential_of_another_tpm(attester: TpmAttester) -> None:
    with tpm_root_bench() as stranger:
        foreign = credential_for(TpmAttester(stranger.open()), bytes(32))
    with pytest.raises(RootUnavailable, match="made for other keys"):
        attester.activate(foreign)
    for wrong in (TpmCredential(credential_blob=b"", encrypted_secret=b""),):
        with pytest.raises(RootUnavailable):
            attester.activate(wrong)


@alone
def test_the_same_keys_after_a_restart(bench: TpmRootBench, attester: TpmAttester) -> None:
    keys = attester.keys()
    bench.tpm.cut_power()
    bench.tpm.start()
    assert TpmAttester(bench.open()).keys() == keys


@alone
def test_an_endorsement_certificate_comes_along(bench: TpmRootBench, attester: TpmAttester) -> None:
    """The maker leaves it in NV memory; its kind says which EK is meant (TCG EK Credential Profile 2.5, 2.2.1)."""
    assert attester.keys().ek_certificates == ()
    (bench.tpm.folder / "certificate").write_bytes(b"as the maker left it")
    bench.tpm.run(
        "tpm2_nvdefine",
        "0x01c00002",
        "-C",
        "p",
        "-s",
        "20",
        "-a",
        "platformcreate|ppwrite|ppread|ownerread|authread|no_da",
    )
    bench.tpm.run("tpm2_nvwrite", "0x01c00002", "-C", "p", "-i", "certificate")
    keys = attester.keys()
    assert keys.ek_certificates == (b"as the maker left it",)
    assert parse_public(keys.ek_public).spki != b""
    secret = secrets.token_bytes(32)
    made = make_credential(
        parse_public(keys.ek_public).spki, name=parse_public(keys.ak_public).name, secret=secret,
        entropy=secrets.token_bytes,
    )  # fmt: skip
    proof = attester.activate(TpmCredential(credential_blob=made.id_object, encrypted_secret=made.encrypted_secret))
    assert proof.challenge == secret
    assert ("ek-certificate", b"as the maker left it") in proof.evidence.parts


@alone
def test_an_endorsement_authorization(bench: TpmRootBench, root: Tpm2Root) -> None:
    bench.tpm.run("tpm2_changeauth", "-c", "endorsement", "endorsed")
    with pytest.raises(RootUnavailable, match="endorsement authorization"):
        TpmAttester(root).keys()
    attester = TpmAttester(root, endorsement_auth=lambda: b"endorsed")
    assert attester.activate(credential_for(attester, bytes(32))).challenge == bytes(32)
    attester.close()
    with pytest.raises(RootUnavailable, match="endorsement authorization"):
        attester.keys()


@pytest.mark.parametrize("size", [32, 64, 100])
def test_its_quotes_are_believed(bench: TpmRootBench, root: Tpm2Root, attester: TpmAttester, size: int) -> None:
    challenge = secrets.token_bytes(size)
    quoting = TpmAttester(root, quotes=True, boot_log=None)
    assert quoting.tpm_keys() is None
    bench.tpm.run("tpm2_pcrextend", "5:sha256=" + "5a" * 32)
    proof = quoting.prove(asked(challenge), quoting.key())
    verdict = judge(attester, proof.evidence, challenge=challenge, spki=quoting.key().spki)
    assert verdict.appraised, verdict.findings
    assert proof.challenge == challenge
    assert dict(proof.evidence.parts)["pcr.sha256.5"] != bytes(32)
    assert judge(attester, proof.evidence, challenge=bytes(size)).reasons == (Reason.CHALLENGE_MISMATCH,)


def test_a_quote_binds_another_key(attester: TpmAttester) -> None:
    class Software:
        spki = b"as good as a key"

        def sign(self, message: bytes) -> bytes:
            raise AssertionError(message)

    other: DeviceKey = Software()
    proof = attester.prove(asked(bytes(32)), other)
    verdict = judge(attester, proof.evidence, challenge=bytes(32), spki=other.spki)
    assert Reason.KEY_MISMATCH not in verdict.reasons
    assert judge(attester, proof.evidence, challenge=bytes(32), spki=b"another").reasons != ()


def test_many_registers_and_a_boot_log(root: Tpm2Root, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"what the firmware wrote")
    quote = TpmAttester(root, boot_log=log).quote(bytes(32), registers=tuple(range(24)))
    parts = dict(quote.parts)
    assert parts["event-log"] == b"what the firmware wrote"
    assert len([name for name in parts if name.startswith("pcr.sha256.")]) == 24
    log.write_bytes(bytes(1024 * 1024 + 1))
    for path in (log, tmp_path / "missing"):
        assert "event-log" not in dict(TpmAttester(root, boot_log=path).quote(bytes(32)).parts)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 2048, 5000])
def test_it_signs_messages_of_any_size(attester: TpmAttester, size: int) -> None:
    key, message = attester.key(), secrets.token_bytes(size)
    public = load_der_public_key(key.spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signature = key.sign(message)
    public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, message + b".", ec.ECDSA(hashes.SHA256()))


def test_it_signs_no_statement_that_it_did_not_make(attester: TpmAttester) -> None:
    with pytest.raises(ValueError, match="statement of a TPM"):
        attester.key().sign(bytes.fromhex("ff544347") + b"anything")
    hpke = hpke_message(bytes(32), 0x647A, bytes(1216))
    assert attester.key().sign(hpke)


def test_the_chip_refuses_such_a_statement_too(root: Tpm2Root) -> None:
    with root.chip.reached() as here:
        tss, esapi = here.connection.tss, here.connection.esapi
        digest, ticket = esapi.hash(bytes.fromhex("ff544347"), tss.TPM2_ALG.SHA256, tss.ESYS_TR.OWNER)
        scheme = tss.TPMT_SIG_SCHEME(scheme=tss.TPM2_ALG.NULL)
        key = here.attestation_key()
        with pytest.raises(tss.TSS2_Exception, match="ticket"):
            esapi.sign(key, digest, scheme, ticket, session1=here.session)


def test_it_certifies_its_counter(root: Tpm2Root, attester: TpmAttester) -> None:
    ak = parse_public(attester.keys().ak_public)
    for _ in range(2):
        for nonce in (bytes(16), secrets.token_bytes(64)):
            evidence = root.evidence(nonce)
            assert evidence is not None
            assert evidence.epoch == root.epoch()
            assert set(evidence.parts) == {"nv-certify", "nv-signature", "nv-public"}
            found = check_counter(
                statement=evidence.parts["nv-certify"], signature=evidence.parts["nv-signature"],
                nv_public=evidence.parts["nv-public"], ak=ak, qualifying_data=nonce,
            )  # fmt: skip
            assert found.value == root.epoch()
        root.advance(root.epoch() + 1)
    for wrong in (bytes(15), bytes(65)):
        with pytest.raises(ValueError, match="16 to 64"):
            root.evidence(wrong)


@asynccontextmanager
async def enrolled(folder: Path, attester: TpmAttester) -> AsyncIterator[tuple[RemovalBench, ChildName]]:
    """The service below gRPC, whose operator knows the EK, and the device that the attester made of the TPM."""
    keys = attester.keys()
    async with removals_running(folder) as service:
        name = parse_public(keys.ek_public).name
        service.base.status.collateral = Collateral(tpm=TpmCollateral(enrolled_names=frozenset({name})))
        request = devices_pb2.CreateChallengeRequest(
            parent=f"tenants/{TENANT}",
            tpm=devices_pb2.TpmKeys(ek_public=keys.ek_public, ak_public=keys.ak_public),
            request_id="6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11",
        )
        made = await service.base.servicer.CreateChallenge(request, service.call("CreateChallenge"))
        credential = TpmCredential(
            credential_blob=made.tpm_credential.credential_blob, encrypted_secret=made.tpm_credential.encrypted_secret
        )
        proof: Proof = attester.prove(asked(credential=credential), attester.key())
        parts = tuple(Part(part, data) for part, data in proof.evidence.parts)
        answer = await service.base.attest(attest_request(made, LibraryEvidence(Format.TPM, parts)))
        assert answer.verdict.appraised, answer.verdict
        assert answer.device.key_spki == attester.key().spki
        yield service, ChildName.parse(answer.device.name, "devices")


async def test_a_deletion_is_proven_by_the_chip(tmp_path: Path, root: Tpm2Root, attester: TpmAttester) -> None:
    """Grade A2: deleted by an advance, and the counter certified over the receipt."""
    async with enrolled(tmp_path, attester) as (service, device):
        removal = await service.withdraw(device)
        before = root.epoch()
        root.advance(before + 1)

        def certified(challenge: bytes) -> Evidence:
            evidence = root.evidence(challenge)
            assert evidence is not None
            return Evidence(format=EvidenceFormat.TPM, parts=tuple(evidence.parts.items()))

        too_far = await service.receipt(removal, evidence=certified, epochs=(before, before + 2))
        with pytest.raises(FailedPrecondition, match="stands at"):
            await service.submit(removal, too_far)
        receipt = await service.receipt(
            removal, sign=attester.key().sign, evidence=certified, epochs=(before, before + 1)
        )
        answer = await service.submit(removal, receipt)
        assert answer.removal.grade == removal_pb2.RECEIPT_GRADE_A2


async def test_a_receipt_signed_by_the_chip(tmp_path: Path, attester: TpmAttester) -> None:
    async with enrolled(tmp_path, attester) as (service, device):
        removal = await service.withdraw(device)
        receipt = await service.receipt(removal, sign=attester.key().sign)
        assert hashlib.sha256(receipt.signature).digest() != bytes(32)
        answer = await service.submit(removal, receipt)
        assert answer.removal.grade == removal_pb2.RECEIPT_GRADE_A1
