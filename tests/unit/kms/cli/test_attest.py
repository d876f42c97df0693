import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from attestation.case import Case
from attestation.evidence_json import to_json
from attestation.formats import arm_psa, nvidia_gpu
from attestation.model import Format
from attestation.reasons import Reason, Unchecked
from attestation.testing import FACTORIES, VirtualPhone, VirtualVendor
from attestation.testing.arm_device import CHALLENGE as ARM_CHALLENGE
from attestation.testing.arm_device import CcaPlatform, PsaDevice
from attestation.testing.gpu import VirtualGpu
from attestation.testing.nvidia_gpu import CHALLENGE as GPU_CHALLENGE
from kms.cli.attest_explain import ADVICE, NOT_CHECKED, PROVES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHALLENGE = b"a challenge"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Evidence of a good virtual phone, its root, and an empty status list."""
    vendor = VirtualVendor.create(now=NOW)
    chain = VirtualPhone.create(vendor, now=NOW).attest(CHALLENGE).named("certificate")
    (tmp_path / "chain.pem").write_bytes(b"".join(_pem(certificate) for certificate in chain))
    (tmp_path / "chain.der").write_bytes(b"".join(chain))
    (tmp_path / "root.pem").write_bytes(_pem(vendor.certificate))
    (tmp_path / "status.json").write_text('{"entries": {}}')
    return tmp_path


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _arguments(folder: Path, *more: object, evidence: str = "chain.pem", challenge: bytes = CHALLENGE):
    at = NOW.isoformat()
    return ("attest", "verify", folder / evidence, "--challenge", challenge.hex(), "--at", at, *more)


@pytest.mark.parametrize("evidence", ["chain.pem", "chain.der"])
def test_good_evidence_ends_0(hallmark, folder, evidence: str) -> None:
    trust = ("--root", folder / "root.pem", "--status", folder / "status.json")
    outcome = hallmark(*_arguments(folder, *trust, evidence=evidence))
    assert outcome.code == 0
    assert "authentic: yes   appraised: yes" in outcome.out
    found = hallmark(*_arguments(folder, *trust, "--json", evidence=evidence)).document
    assert (found["authentic"], found["appraised"], found["reasons"]) == (True, True, [])


@pytest.mark.parametrize(
    ("more", "challenge", "reason"),
    [
        ((), CHALLENGE, "UNTRUSTED_ROOT"),
        (("--root", "root.pem"), CHALLENGE, "STATUS_LIST_MISSING"),
        (("--root", "root.pem", "--allow-missing-status"), b"another", "CHALLENGE_MISMATCH"),
    ],
)
def test_refused_evidence_ends_1_with_the_reason(hallmark, folder, more, challenge: bytes, reason: str) -> None:
    options = [folder / option if option == "root.pem" else option for option in more]
    outcome = hallmark(*_arguments(folder, *options, "--json", challenge=challenge))
    assert (outcome.code, outcome.document["reasons"][0]) == (1, reason)
    people = hallmark(*_arguments(folder, *options, challenge=challenge))
    assert people.code == 1
    assert reason in people.out
    assert "refused" in people.err


def test_old_evidence_is_refused_unless_judged_at_its_time(hallmark, folder) -> None:
    given = ["attest", "verify", folder / "chain.pem", "--challenge", CHALLENGE.hex(), "--root", folder / "root.pem"]
    late = (NOW + timedelta(days=400)).isoformat()
    outcome = hallmark(*given, "--allow-missing-status", "--at", late)
    assert (outcome.code, "EXPIRED" in outcome.out, "--at" in outcome.err) == (1, True, True)
    assert hallmark(*given, "--allow-missing-status", "--at", NOW.isoformat()).code == 0


def test_without_a_status_list_the_verdict_says_what_was_not_checked(hallmark, folder) -> None:
    outcome = hallmark(*_arguments(folder, "--root", folder / "root.pem", "--allow-missing-status"))
    assert (outcome.code, "STATUS_LIST" in outcome.out) == (0, True)


def test_a_revoked_certificate_is_refused(hallmark, folder) -> None:
    issuer = x509.load_pem_x509_certificates((folder / "chain.pem").read_bytes())[1]
    entries = {f"{issuer.serial_number:x}": {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}
    (folder / "status.json").write_text(json.dumps({"entries": entries}))
    trust = ("--root", folder / "root.pem", "--status", folder / "status.json")
    outcome = hallmark(*_arguments(folder, *trust, "--json"))
    assert (outcome.code, outcome.document["reasons"]) == (1, ["REVOKED"])


@pytest.mark.parametrize("challenge", ["xyz", "", "00" * 1025])
def test_a_challenge_is_1_to_1024_bytes_in_hex(hallmark, folder, challenge: str) -> None:
    outcome = hallmark("attest", "verify", folder / "chain.pem", "--challenge", challenge)
    assert (outcome.code, "--challenge" in outcome.err) == (2, True)


def test_what_is_no_root_or_no_evidence_is_refused_in_a_sentence(hallmark, folder) -> None:
    (folder / "bad").write_bytes(b"bad")
    root = hallmark(*_arguments(folder, "--root", folder / "bad"))
    assert (root.code, "PEM" in root.err) == (2, True)
    status = hallmark(*_arguments(folder, "--status", folder / "bad"))
    assert (status.code, "status list" in status.err) == (2, True)
    evidence = hallmark(*_arguments(folder, evidence="bad"))
    assert (evidence.code, "Traceback" in evidence.err) == (1, False)


def test_a_genuine_pixel_chain_at_its_own_time(hallmark, vectors) -> None:
    chain = vectors / "attestation" / "android" / "caiman-sdk36-tee-ec-rkp.pem"
    if not chain.exists():
        pytest.skip(f"{chain} is not there")
    challenge = b"d688d763-6118-4ca6-94b2-e6cd9ed7e4e4".hex()
    given = ("attest", "verify", chain, "--challenge", challenge, "--at", "2025-09-26T15:31:20Z")
    outcome = hallmark(*given, "--allow-missing-status")
    assert (outcome.code, "Pixel 9 Pro" in outcome.out) == (0, True)


def _public_pem(spki: bytes) -> bytes:
    return load_der_public_key(spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _good(form: Format) -> Case:
    return next(iter(FACTORIES[form].good(NOW))).case


@pytest.mark.parametrize("form", Format)
def test_evidence_of_every_format_is_known_and_explained(hallmark, tmp_path, form: Format) -> None:
    """Judged under the vendors' own roots, so virtual hardware is refused, each for its own reason."""
    case = _good(form)
    (tmp_path / "evidence.json").write_text(json.dumps(to_json(case.evidence)))
    given = ("attest", "verify", tmp_path / "evidence.json", "--challenge", case.expectation.challenge.hex())
    outcome = hallmark(*given, "--at", NOW.isoformat(), "--json")
    found = outcome.document
    assert (outcome.code, found["format"], found["appraised"]) == (1, form, False)
    assert PROVES[form] in found["explanation"][0]
    assert any(line.startswith(found["reasons"][0]) for line in found["explanation"])
    people = hallmark(*given, "--at", NOW.isoformat())
    assert PROVES[form] in people.out
    assert found["reasons"][0] in people.out


def test_everything_has_words() -> None:
    assert set(PROVES) == set(Format)
    assert set(NOT_CHECKED) == set(Unchecked)
    assert set(ADVICE) <= set(Reason)


def test_arm_tokens_with_the_keys_of_their_devices(hallmark, tmp_path) -> None:
    psa, cca = PsaDevice.create(), CcaPlatform.create()
    (tmp_path / "psa.cbor").write_bytes(psa.attest().named(arm_psa.TOKEN)[0])
    (tmp_path / "cca.cbor").write_bytes(cca.attest().named(arm_psa.TOKEN)[0])
    for name, endorsed in (("psa", psa.endorsements), ("cca", cca.endorsements)):
        (device,) = endorsed.devices
        (tmp_path / f"{name}.pem").write_bytes(_public_pem(device.keys[0]))
        given = ("attest", "verify", tmp_path / f"{name}.cbor", "--challenge", ARM_CHALLENGE.hex())
        outcome = hallmark(*given, "--collateral", tmp_path / f"{name}.pem")
        assert (outcome.code, "Arm" in outcome.out, "MEASUREMENTS" in outcome.out) == (0, True, True)
        without = hallmark(*given, "--json")
        assert (without.code, without.document["reasons"]) == (1, ["COLLATERAL_MISSING"])


def test_a_report_with_its_certificates_root_and_policy(hallmark, tmp_path) -> None:
    gpu = VirtualGpu.create(now=NOW)
    found = gpu.attest(GPU_CHALLENGE)
    (tmp_path / "report.bin").write_bytes(found.named(nvidia_gpu.REPORT)[0])
    (tmp_path / "chain.der").write_bytes(b"".join(gpu.chain))
    (tmp_path / "root.pem").write_bytes(_pem(gpu.chain[-1]))
    policy = 'name = "newest"\n[nvidia]\nallow_missing_crl = true\nmin_driver_version = [999]\n'
    (tmp_path / "policy.toml").write_text(policy)
    given = ("attest", "verify", tmp_path / "report.bin", tmp_path / "chain.der", "--challenge", GPU_CHALLENGE.hex())
    trusted = (*given, "--at", NOW.isoformat(), "--root", tmp_path / "root.pem")
    assert hallmark(*trusted, "--allow-missing-status").code == 0
    refused = hallmark(*trusted, "--policy", tmp_path / "policy.toml", "--json")
    assert (refused.code, refused.document["reasons"]) == (1, ["TCB_TOO_OLD"])
    assert hallmark(*trusted, "--json").document["reasons"] == ["STATUS_LIST_MISSING"]


def test_software_statements_need_a_policy_that_allows_them(hallmark, tmp_path) -> None:
    case = _good(Format.SOFTWARE)
    (tmp_path / "statement.cbor").write_bytes(case.evidence.parts[0].data)
    (tmp_path / "policy.json").write_text('{"software": {"allow": true}}')
    given = ("attest", "verify", tmp_path / "statement.cbor", "--challenge", case.expectation.challenge.hex())
    refused = hallmark(*given, "--json").document
    assert (refused["authentic"], refused["reasons"]) == (True, ["LEVEL_NOT_ALLOWED"])
    assert hallmark(*given, "--policy", tmp_path / "policy.json").code == 0


def test_a_key_can_be_demanded(hallmark, tmp_path) -> None:
    case = _good(Format.SOFTWARE)
    (tmp_path / "statement.cbor").write_bytes(case.evidence.parts[0].data)
    (tmp_path / "other.pem").write_bytes(_public_pem(PsaDevice.create().endorsements.devices[0].keys[0]))
    (tmp_path / "bad.pem").write_bytes(b"bad")
    given = ("attest", "verify", tmp_path / "statement.cbor", "--challenge", case.expectation.challenge.hex())
    assert hallmark(*given, "--key", tmp_path / "other.pem", "--json").document["reasons"] == ["KEY_MISMATCH"]
    assert hallmark(*given, "--key", tmp_path / "bad.pem").code == 2


def test_collateral_that_is_none_is_refused_in_a_sentence(hallmark, folder) -> None:
    (folder / "bad").write_bytes(b"bad")
    outcome = hallmark(*_arguments(folder, "--collateral", folder / "bad"))
    assert (outcome.code, "bad: not collateral" in outcome.err) == (2, True)


def test_a_status_list_is_known_among_collateral(hallmark, folder) -> None:
    trust = ("--root", folder / "root.pem", "--collateral", folder / "status.json")
    assert hallmark(*_arguments(folder, *trust)).code == 0


UNREAD = (b"\xa3\x01", b"", b"bad", b"{}", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("data", UNREAD)
def test_evidence_of_no_known_format_is_refused_evidence(hallmark, tmp_path, data: bytes) -> None:
    (tmp_path / "cut.cbor").write_bytes(data)
    given = ("attest", "verify", tmp_path / "cut.cbor", "--challenge", "00", "--at", NOW.isoformat())
    outcome = hallmark(*given, "--json")
    found = outcome.document
    assert outcome.code == 1
    assert (found["authentic"], found["appraised"], found["reasons"]) == (False, False, ["MALFORMED"])
    assert found["format"] is None
    assert found["verified_at"] == NOW.isoformat()
    assert "--format" in found["explanation"][-1]
    people = hallmark(*given)
    assert (people.code, "authentic: NO   appraised: NO" in people.out, "MALFORMED" in people.out) == (1, True, True)
    assert "--format" in people.err


@pytest.mark.parametrize("form", Format)
def test_a_format_can_be_forced(hallmark, tmp_path, form: Format) -> None:
    (tmp_path / "cut").write_bytes(b"\xa3\x01")
    outcome = hallmark("attest", "verify", tmp_path / "cut", "--challenge", "00", "--format", form, "--json")
    found = outcome.document
    assert (outcome.code, found["format"], found["authentic"], found["appraised"]) == (1, form, False, False)


def test_a_verdict_that_was_not_reached_has_the_members_of_one(hallmark, folder) -> None:
    (folder / "cut").write_bytes(b"cut")
    judged = hallmark(*_arguments(folder, "--json")).document
    assert hallmark(*_arguments(folder, "--json", evidence="cut")).document.keys() == judged.keys()


def test_the_right_format_may_be_said_and_an_unknown_one_is_named(hallmark, folder) -> None:
    trust = ("--root", folder / "root.pem", "--status", folder / "status.json")
    assert hallmark(*_arguments(folder, *trust, "--format", "android-key")).code == 0
    unknown = hallmark(*_arguments(folder, *trust, "--format", "help"))
    assert (unknown.code, "arm-cca" in unknown.err) == (2, True)


def test_a_policy_with_mistakes_can_not_be_used(hallmark, folder) -> None:
    (folder / "typo.toml").write_text("[android]\nmin_os_patchlevel = 1\n")
    outcome = hallmark(*_arguments(folder, "--policy", folder / "typo.toml", "--json"))
    error = outcome.document["error"]
    assert (outcome.code, error["reason"]) == (2, "POLICY_INVALID")
    assert "did you mean min_os_patch_level?" in error["message"]
    assert "typo.toml" in error["message"]
