"""A second opinion on WebAuthn statements: Yubico's fido2, where it is installed.

It verifies one statement (signature, binding, certificate profile) and knows neither trust anchors, dates, challenges
nor policies, and no android-key; it is asked about all genuine registrations and all that the evidence factory makes.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256

import cbor2
import pytest
from hallmark_test_options import vectors_folder

from attestation import Reason, verify_case
from attestation.case import Case
from attestation.samples.sample import Folder
from attestation.samples.webauthn import load
from attestation.testing import webauthn, webauthn_broken

fido2_attestation = pytest.importorskip(
    "fido2.attestation", reason="fido2, an optional second opinion, is not installed"
)
fido2_webauthn = pytest.importorskip("fido2.webauthn", reason="fido2, an optional second opinion, is not installed")

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KINDS = {"apple", "fido-u2f", "packed", "tpm"}
# What fido2 is not asked: trust, time, the ceremony, collateral.
OURS_ALONE = {
    Reason.UNTRUSTED_ROOT,
    Reason.EXPIRED,
    Reason.NOT_YET_VALID,
    Reason.WRONG_TYPE,
    Reason.CHALLENGE_MISMATCH,
    Reason.KEY_MISMATCH,
    Reason.BAD_COLLATERAL_SIGNATURE,
}
# Where it is milder: around the statement, about the credential's key in itself, about TPM keys of any origin.
MILDER = {
    "made-unknown field",
    "made-challenge is no base64url",
    "made-credential key for RS1",
    "made-ES256 on P-384",
    "made-credential key off its curve",
    "made-credential key in private",
    "made-apple for another key",
    "made-key made elsewhere",
    "made-key may leave",
}
# Where its parsers are stricter: a certificate of a conformance tool, a clock that is neither safe nor unsafe.
STRICTER = {"tpm-fido-conformance", "w3c-tpm"}


def opinion(case: Case) -> bool | None:
    """Whether fido2 takes the statement; None when it knows no such kind or cannot read that far."""
    try:
        attestation_object, client_data = (part.data for part in case.evidence.parts)
        kind = cbor2.loads(attestation_object)["fmt"]
        content = fido2_webauthn.AttestationObject(attestation_object)
    except Exception:  # it raises whatever its parsers raise
        return None
    if kind not in KINDS:
        return None
    verifier = fido2_attestation.Attestation.for_type(kind)()
    try:
        verifier.verify(content.att_stmt, content.auth_data, sha256(client_data).digest())
    except Exception:
        return False
    return True


def genuine(metafunc: pytest.Metafunc) -> dict[str, Case]:
    root = vectors_folder(metafunc.config)
    folder = root and root / "attestation" / "webauthn"
    if not folder or not (folder / "expected.json").exists():
        return {}
    rows = {row["id"]: row for row in json.loads((folder / "expected.json").read_text())["vectors"]}
    samples = {name: load(row, Folder(folder, rows)) for name, row in rows.items() if row["authentic"] is not None}
    return {name: sample.lenient or sample.strict for name, sample in samples.items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    made = {f"made-{item.name}": item.case for item in (*webauthn.good(NOW), *webauthn_broken.broken(NOW))}
    cases = made | genuine(metafunc)
    metafunc.parametrize(("name", "case"), [pytest.param(name, case, id=name) for name, case in cases.items()])


def test_both_agree(name, case):
    theirs, verdict = opinion(case), verify_case(case)
    if theirs is None:
        pytest.skip("fido2 knows no such kind of statement, or cannot read it")
    if theirs and not verdict.authentic:
        assert OURS_ALONE & set(verdict.reasons) or name in MILDER, verdict.findings
    if verdict.authentic and not theirs:
        assert name in STRICTER
