"""Genuine SEV-SNP evidence (`--vectors DIR`, folder attestation/amd_sev_snp): claims, years later, chains, CRLs, bits."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hallmark_test_options import vectors_folder

from attestation import Collateral, Policy, Reason, Unchecked, verify_case
from attestation.amd_collateral import AmdCollateral
from attestation.anchors_amd import AMD, AMD_KEYS, SERIALS
from attestation.case import Case
from attestation.evidence import load_chain
from attestation.formats import sev_snp_table as table
from attestation.formats.sev_snp_evidence import REPORT, evidence, extended_report_evidence
from attestation.policy_amd import AmdSevSnpPolicy
from attestation.samples.amd_sev_snp import load
from attestation.samples.sample import Folder
from attestation.testing.sev_snp import certificate_table
from attestation.x509 import COMMON_NAME, parse_certificate

LATER = datetime(2026, 11, 20, tzinfo=UTC)
STRIDE = 13
FULL = "milan-vcek-v5-gce"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" not in metafunc.fixturenames:
        return
    folder = rows_of(metafunc.config)
    if folder is None:
        skip = pytest.mark.skip(reason="give --vectors DIR with a folder attestation/amd_sev_snp")
        metafunc.parametrize(("folder", "row"), [pytest.param(None, None, marks=skip, id="none")])
        return
    wanted = WANTED.get(metafunc.function.__name__, lambda _: True)
    rows = [row for row in folder.rows.values() if row["authentic"] is not None and wanted(row)]
    metafunc.parametrize(("folder", "row"), [pytest.param(folder, row, id=row["id"]) for row in rows])


def rows_of(config: pytest.Config) -> Folder | None:
    root = vectors_folder(config)
    path = root / "attestation" / "amd_sev_snp" if root else None
    if path is None or not (path / "expected.json").exists():
        return None
    return Folder(path, {row["id"]: row for row in json.loads((path / "expected.json").read_text())["vectors"]})


@pytest.fixture
def amd(vectors: Path) -> Path:
    path = vectors / "attestation" / "amd_sev_snp"
    if not path.is_dir():
        pytest.skip(f"{vectors} has no folder attestation/amd_sev_snp")
    return path


def case_of(folder: Folder, row: dict[str, Any]) -> Case:
    return load(row, folder).strict


def with_report(case: Case, report: bytes) -> Case:
    return replace(case, evidence=evidence(report=report, certificates=case.evidence.named("certificate")))


def test_claims(folder, row):
    claims, vendor = verify_case(case_of(folder, row)).claims, row["claims"]
    assert claims.versions.attestation == vendor["version"]
    assert f"SEV-{claims.vendor_claim('signing_key')}" == vendor["signing_key"]
    assert claims.device.model == vendor["product"]
    assert claims.vendor_claim("vmpl") == vendor["vmpl"]
    assert claims.vendor_claim("guest_policy") == vendor["policy"]
    assert claims.debug is vendor["debug"]
    for name in ("reported_tcb", "committed_tcb"):
        assert claims.vendor_claim(name) == vendor[name]
    assert claims.measurements[0].digest.hex() == vendor["measurement"]
    assert claims.freshness.challenge.hex() == vendor["report_data"]
    assert (claims.device.serial or "0" * 64).startswith(vendor["chip_id"][:32])
    assert claims.vendor_claim("csp_id") == vendor.get("csp")
    if vendor["cpuid"] != "000000":
        assert claims.vendor_claim("cpuid") == vendor["cpuid"]
    if vendor["chain"] is not None:
        product, _, leased = vendor["chain"].partition("_")
        assert claims.anchor == f"amd-sev-{leased}-{product}".replace("--", "-")


def test_verdict_years_later(folder, row):
    verdict = verify_case(replace(case_of(folder, row), at=LATER))
    expected = row["verdict_2026_11_20"]
    assert verdict.appraised is expected.startswith("accept")
    assert verdict.appraised or str(verdict.reasons[0]) in expected


def flips(data: bytes, *, step: int) -> Iterator[bytes]:
    for index in range(0, len(data), step):
        changed = bytearray(data)
        changed[index] ^= 1 << (index % 8)
        yield bytes(changed)


def test_flipped_bits_never_stay_authentic(folder, row):
    """Every byte of one report and its certificate, every thirteenth of the others."""
    case = case_of(folder, row)
    step = 1 if row["id"] == FULL else STRIDE
    (report,), (key,) = case.evidence.named(REPORT), case.evidence.named("certificate")
    for changed in flips(report, step=step):
        assert not verify_case(with_report(case, changed)).authentic
    for changed in flips(key, step=step):
        assert not verify_case(replace(case, evidence=evidence(report=report, certificates=(changed,)))).authentic


def test_the_whole_chain(folder, row):
    """With AMD's certificates above it, one by one or in a host's table, the verdict is the same, up to the anchor."""
    case = case_of(folder, row)
    (report,), (key,) = case.evidence.named(REPORT), case.evidence.named("certificate")
    signer, root = published_chain(folder.path, key)
    whole = verify_case(replace(case, evidence=evidence(report=report, certificates=(key, signer, root))))
    leased = row["claims"]["signing_key"] == "SEV-VLEK"
    entries = {table.VLEK if leased else table.VCEK: key, table.ASK: signer, table.ARK: root}
    tabled = verify_case(replace(case, evidence=extended_report_evidence(report + certificate_table(entries))))
    alone = verify_case(case)
    assert whole.reasons == tabled.reasons == alone.reasons
    assert whole.claims == tabled.claims
    assert whole.claims.anchor == f"amd-ark-{row['claims']['chain'].partition('_')[0]}"
    changed = [(key, one, root) for one in flips(signer, step=61)] + [
        (key, signer, one) for one in flips(root, step=61)
    ]
    for chain in changed:
        assert not verify_case(replace(case, evidence=evidence(report=report, certificates=chain))).authentic


def published_chain(path: Path, key: bytes) -> tuple[bytes, bytes]:
    issuer = parse_certificate(key).issuer
    for name in sorted((path / "roots").glob("*.pem")):
        signer, root = load_chain(name.read_bytes())
        if parse_certificate(signer).subject == issuer:
            return signer, root
    raise AssertionError(issuer)


def test_other_products_do_not_vouch(folder, row):
    """A chain of another product line, and anchors without the right one."""
    case = case_of(folder, row)
    (report,), (key,) = case.evidence.named(REPORT), case.evidence.named("certificate")
    name = parse_certificate(key).issuer.get(COMMON_NAME)
    for path in sorted((folder.path / "roots").glob("*.pem")):
        signer, root = load_chain(path.read_bytes())
        if parse_certificate(signer).subject.get(COMMON_NAME) != name:
            verdict = verify_case(replace(case, evidence=evidence(report=report, certificates=(key, signer, root))))
            assert verdict.reasons[0] is Reason.BROKEN_CHAIN
    others = replace(AMD, items=tuple(anchor for anchor in AMD.items if anchor.common_name != name))
    assert verify_case(replace(case, anchors=others)).reasons[0] is Reason.UNTRUSTED_VCEK


def test_it_is_deterministic_and_fast(folder, row):
    case = case_of(folder, row)
    first = verify_case(case)
    start = process_time()
    for _ in range(20):
        assert verify_case(case) == first
    assert (process_time() - start) / 20 < 0.02


def test_the_table_of_keys_is_what_amd_publishes(amd):
    published = {}
    for path in sorted((amd / "roots").glob("*.pem")):
        for der in load_chain(path.read_bytes()):
            certificate = parse_certificate(der)
            published[certificate.subject.get(COMMON_NAME)] = certificate
    assert {key.common_name: key.spki for key in AMD_KEYS} == {name: c.spki for name, c in published.items()}
    assert {certificate.spki: certificate.serial for certificate in published.values()} == SERIALS


@pytest.mark.parametrize(
    ("name", "row_id", "revoked"), [("milan", FULL, []), ("genoa", "genoa-vcek-v3-tsm", ["20001"])]
)
def test_revocation_lists(amd, name, row_id, revoked):
    rows = {row["id"]: row for row in json.loads((amd / "expected.json").read_text())["vectors"]}
    data = (amd / "crl" / f"{name}.crl").read_bytes()
    collateral = AmdCollateral.parse([data])
    (crl,) = collateral.crls
    assert sorted(crl.revoked) == revoked
    begin, end, count = rows["crl"]["claims"][name]
    assert (crl.this_update, crl.next_update) == (datetime.fromisoformat(begin), datetime.fromisoformat(end))
    assert len(crl.revoked) == count
    case = replace(
        load(rows[row_id], Folder(amd, rows)).strict,
        collateral=Collateral(amd=collateral),
        policy=Policy(amd_sev_snp=AmdSevSnpPolicy()),
        at=end_of(crl),
    )
    verdict = verify_case(case)
    assert verdict.appraised
    assert Unchecked.REVOCATION not in verdict.not_checked
    assert verify_case(replace(case, at=case.at + timedelta(hours=2))).reasons == (Reason.STALE_COLLATERAL,)
    broken = bytearray(data)
    broken[-1] ^= 1
    changed = Collateral(amd=AmdCollateral.parse([bytes(broken)]))
    assert verify_case(replace(case, collateral=changed)).reasons == (Reason.BAD_COLLATERAL_SIGNATURE,)


def end_of(crl: Any) -> datetime:
    return crl.next_update - timedelta(hours=1)


def has_report(row: dict[str, Any]) -> bool:
    return any(name.endswith(".bin") for name in row["files"])


def is_genuine(row: dict[str, Any]) -> bool:
    return has_report(row) and row["authentic"]


WANTED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "test_claims": has_report,
    "test_flipped_bits_never_stay_authentic": is_genuine,
    "test_the_whole_chain": is_genuine,
    "test_other_products_do_not_vouch": is_genuine,
}
