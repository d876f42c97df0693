"""Genuine GPU reports (`--vectors DIR`, folder attestation/nvidia_gpu): claims, reference values, bits, speed."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from time import process_time
from typing import Any

import pytest
from hallmark_test_options import vectors_folder

from attestation import Expectation, Policy, Reason, Unchecked, verify_case
from attestation.anchors_nvidia import NVIDIA
from attestation.case import Case
from attestation.evidence import load_chain
from attestation.formats.nvidia_gpu import REPORT, evidence
from attestation.policy_nvidia import GpuMeasurement, NvidiaPolicy
from attestation.samples.nvidia_gpu import load
from attestation.samples.sample import Folder
from attestation.x509 import parse_certificate

LATER = datetime(2026, 11, 20, tzinfo=UTC)
STRIDE = 29


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = vectors_folder(metafunc.config)
    path = root / "attestation" / "nvidia_gpu" if root else None
    if path is None or not (path / "expected.json").exists():
        skip = pytest.mark.skip(reason="give --vectors DIR with a folder attestation/nvidia_gpu")
        metafunc.parametrize(("folder", "row"), [pytest.param(None, None, marks=skip, id="none")])
        return
    rows = {row["id"]: row for row in json.loads((path / "expected.json").read_text())["vectors"]}
    found = [pytest.param(Folder(path, rows), row, id=row["id"]) for row in rows.values() if row["authentic"]]
    metafunc.parametrize(("folder", "row"), found)


def case_of(folder: Folder, row: dict[str, Any]) -> Case:
    return load(row, folder).strict


def with_report(case: Case, report: bytes) -> Case:
    return replace(case, evidence=evidence(report, case.evidence.named("certificate")))


def stated(folder: Folder, row: dict[str, Any]) -> dict[str, Any] | None:
    """What NVIDIA's tool read out of the same report, where the folder has it."""
    path = folder.path / row["files"][0].replace(".report.bin", ".claims.json")
    return json.loads(path.read_text()) if path.exists() else None


def test_claims(folder, row):
    claims, vendor = verify_case(case_of(folder, row)).claims, stated(folder, row)
    assert claims.freshness.challenge.hex() == row["claims"]["nonce"]
    assert claims.anchor == "nvidia-device-identity-ca"
    if vendor is not None:
        config = vendor["config"]
        assert {item.name: item.digest.hex() for item in claims.measurements} == vendor["measurements"]
        for name in ("driver_version", "vbios_version", "project", "project_sku", "board_id", "chip_sku"):
            assert claims.vendor_claim(name) == config[name]
        assert claims.vendor_claim("firmware_id") == config["fwid"]


def test_verdict_years_later(folder, row):
    assert row["verdict_2026_11_20"].startswith("accept")
    assert verify_case(replace(case_of(folder, row), at=LATER)).appraised


def test_measurements_are_not_compared_without_reference_values(folder, row):
    case = case_of(folder, row)
    verdict = verify_case(case)
    assert {Unchecked.RIM, Unchecked.REVOCATION} <= set(verdict.not_checked)
    given = tuple(GpuMeasurement(int(item.name), frozenset({item.digest})) for item in verdict.claims.measurements)

    def reasons(measurements: tuple[GpuMeasurement, ...]) -> tuple[Reason, ...]:
        policy = Policy(nvidia=NvidiaPolicy(allow_missing_crl=True, measurements=measurements))
        return verify_case(replace(case, policy=policy)).reasons

    assert reasons(given) == ()
    assert reasons((replace(given[0], digests=frozenset({b"\1" * 48})), *given[1:])) == (Reason.MEASUREMENT_MISMATCH,)
    assert verify_case(replace(case, policy=Policy())).reasons == (Reason.STATUS_LIST_MISSING,)


def test_every_bit_counts(folder, row):
    case = case_of(folder, row)
    (report,) = case.evidence.named(REPORT)
    for index in (*range(0, len(report), STRIDE), *range(50), len(report) - 1):
        changed = bytearray(report)
        changed[index] ^= 1 << (index % 8)
        assert not verify_case(with_report(case, bytes(changed))).authentic
    for changed in (report[:-1], report + b"\1", report * 2, b""):
        assert verify_case(with_report(case, changed)).reasons == (Reason.MALFORMED,)
    assert verify_case(with_report(case, report.rstrip(b"\0") + b"\0")).authentic


def test_another_challenge(folder, row):
    case = replace(case_of(folder, row), expectation=Expectation(bytes(32)))
    assert verify_case(case).reasons == (Reason.CHALLENGE_MISMATCH,)


def test_each_certificate_is_needed(folder, row):
    case = case_of(folder, row)
    (report,), chain = case.evidence.named(REPORT), case.evidence.named("certificate")
    for index in range(len(chain) - 1):
        fewer = evidence(report, chain[:index] + chain[index + 1 :])
        assert not verify_case(replace(case, evidence=fewer)).authentic


def test_the_anchor_is_the_published_root(folder, row):
    (root,) = load_chain((folder.path / "roots" / "nvidia_device_root.pem").read_bytes())
    (anchor,) = NVIDIA.items
    certificate = parse_certificate(root)
    assert (certificate.spki, certificate.valid_between()[0]) == (anchor.spki, anchor.not_before)


def test_it_is_deterministic_and_fast(folder, row):
    case = case_of(folder, row)
    first = verify_case(case)
    start = process_time()
    for _ in range(10):
        assert verify_case(case) == first
    assert (process_time() - start) / 10 < 0.02
