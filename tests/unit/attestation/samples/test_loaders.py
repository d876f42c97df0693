"""Rows that nobody could have foreseen: whatever their files hold, they are judged, and nothing is raised."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cbor2
import pytest

from attestation import Reason
from attestation.formats.intel_quote import Tee
from attestation.model import Finding
from attestation.samples import amd_sev_snp, android, apple_appattest, intel, webauthn
from attestation.samples.sample import Folder, Sample
from attestation.testing import VirtualPhone, VirtualVendor, asn1
from attestation.testing.intel_bench import Bench as IntelBench
from attestation.testing.webauthn import Bench, evidence_of
from attestation.testing.webauthn_authenticator import VirtualMakers

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT = "2026-06-01T12:00:00Z"


def load(loader, folder: Path, files: dict[str, bytes], **claims) -> Sample:
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    row = {"id": "row", "files": list(files), "verify_at": AT, "claims": claims}
    return loader.load(row, Folder(folder, {"row": row}))


def reasons(sample: Sample) -> tuple[Reason, ...]:
    sample.judge_leniently()
    return sample.judge_strictly().reasons


@pytest.mark.parametrize("text", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"])
def test_a_chain_that_is_none(tmp_path, text):
    assert reasons(load(android, tmp_path, {"chain.pem": text}))[0] is Reason.MALFORMED


def test_a_certificate_in_a_webauthn_statement_that_cannot_be_read(tmp_path):
    found = evidence_of(Bench(VirtualMakers.create(now=NOW)), "packed")
    attestation, client_data = (part.data for part in found.parts)
    content = cbor2.loads(attestation)
    content["attStmt"]["x5c"][-1] = content["attStmt"]["x5c"][-1][:-4]
    files = {
        "attestationObject": cbor2.dumps(content).hex(),
        "clientDataJSON": client_data.hex(),
    }
    document = {name: _base64url(bytes.fromhex(value)) for name, value in files.items()}
    assert reasons(load(webauthn, tmp_path, {"row.json": json.dumps(document).encode()}))[0] is Reason.MALFORMED


@pytest.mark.parametrize("name", ["attestationObject", "clientDataJSON"])
def test_a_webauthn_file_that_is_not_base64(tmp_path, name):
    document = {"attestationObject": "oA", "clientDataJSON": "e30", "challenge": "AAAA", name: "A"}
    assert reasons(load(webauthn, tmp_path, {"row.json": json.dumps(document).encode()})) == (Reason.MALFORMED,)


def test_the_test_root_of_the_w3c_need_not_lie_in_the_folder(tmp_path):
    document = {"attestationObject": "oA", "clientDataJSON": "e30", "challenge": "AAAA"}
    sample = load(webauthn, tmp_path, {"w3c/row.json": json.dumps(document).encode()})
    assert "configured for this row" in {anchor.name for anchor in sample.strict.anchors.items}


def test_an_apple_file_that_is_not_base64_and_knows_no_client_data(tmp_path):
    document = {"attestation": "A", "clientData": "", "appId": "TEAM.app", "keyId": "?"}
    assert reasons(load(apple_appattest, tmp_path, {"row.json": json.dumps(document).encode()})) == (Reason.MALFORMED,)


def test_a_report_without_a_known_challenge_is_judged_for_the_rest(tmp_path):
    found = reasons(load(amd_sev_snp, tmp_path, {"row.report.bin": bytes(1184), "row.ek.der": b"0"}))
    assert found == (Reason.MALFORMED,)


def test_collateral_whose_signed_text_was_edited_until_it_cannot_be_read(tmp_path):
    bench = IntelBench.create(Tee.SGX, now=NOW)
    case = bench.case()
    pieces = case.collateral.intel.pieces
    edited = replace(pieces, tcb_info=pieces.tcb_info.replace(b"UpToDate", b"BestEver"))
    files = {"row.bin": case.evidence.parts[0].data, "collateral.json": _bundle(edited)}
    sample = load(intel, tmp_path, files)
    sample = replace(sample, strict=replace(sample.strict, anchors=case.anchors, at=NOW))
    verdict = sample.judge_strictly()
    assert (verdict.authentic, verdict.appraised) == (False, False)
    assert verdict.reasons[0] is Reason.BAD_COLLATERAL_SIGNATURE


def test_what_was_refused_stands_behind_evidence_that_is_not_authentic(tmp_path):
    sample = load(android, tmp_path, {"chain.pem": asn1.sequence()})
    refused = replace(sample, refused=Finding(Reason.BAD_COLLATERAL_SIGNATURE, "unreadable"))
    assert refused.judge_strictly() == sample.judge_strictly()


def test_a_status_list_that_cannot_be_read_is_none(tmp_path):
    sample = load(android, tmp_path, {"chain.pem": asn1.sequence(), "status/list.json": b"{"})
    assert sample.strict.collateral.android_status is None
    assert not sample.strict.policy.android.allow_missing_status_list


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bundle(pieces) -> bytes:
    return json.dumps(
        {
            "tcb_info": pieces.tcb_info.decode(),
            "tcb_info_signature": pieces.tcb_info_signature.hex(),
            "tcb_info_issuer_chain": pieces.tcb_info_chain.decode(),
            "qe_identity": pieces.qe_identity.decode(),
            "qe_identity_signature": pieces.qe_identity_signature.hex(),
            "qe_identity_issuer_chain": pieces.qe_identity_chain.decode(),
            "pck_crl": pieces.pck_crl.hex(),
            "pck_crl_issuer_chain": pieces.pck_crl_chain.decode(),
            "root_ca_crl": pieces.root_ca_crl.hex(),
        }
    ).encode()


def test_chains_of_throw_away_keys_end_in_their_common_root(tmp_path):
    phone = VirtualPhone.create(VirtualVendor.create(now=NOW), now=NOW)
    chain = b"".join(part.data for part in phone.generate_key(b"enrol").evidence.parts)
    claims = {"challenge_text": "enrol"}
    files = {"synthetic/row.pem": chain}
    assert reasons(load(android, tmp_path, files, **claims)) == ()
    (tmp_path / "elsewhere").mkdir()
    assert reasons(load(android, tmp_path, {"elsewhere/row.pem": chain}, **claims))[0] is Reason.UNTRUSTED_ROOT
