"""Every row of every vendor's folder (`--vectors DIR`, folder attestation/<vendor>): authentic, verdict and reason."""

import json

import pytest
from hallmark_test_options import vectors_folder

from attestation.samples.expected import compare
from attestation.samples.sample import Folder
from attestation.samples.vendors import VENDORS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = vectors_folder(metafunc.config)
    cases = []
    for vendor in VENDORS:
        path = root / "attestation" / vendor if root else None
        if path is None or not (path / "expected.json").exists():
            skip = pytest.mark.skip(reason=f"give --vectors DIR with a folder attestation/{vendor}")
            cases.append(pytest.param(vendor, None, None, marks=skip, id=f"{vendor}-none"))
            continue
        rows = {row["id"]: row for row in json.loads((path / "expected.json").read_text())["vectors"]}
        cases += [
            pytest.param(vendor, Folder(path, rows), row, id=f"{vendor}-{row['id']}")
            for row in rows.values()
            if row["authentic"] is not None
        ]
    metafunc.parametrize(("vendor", "folder", "row"), cases)


def test_row(vendor: str, folder: Folder, row: dict[str, object]):
    loader = VENDORS[vendor]
    sample = loader.load(row, folder)
    strict, lenient = sample.judge_strictly(), sample.judge_leniently()
    found = compare(row, strict, lenient, phrases=loader.phrases)
    assert found.right, (row["verdict"], row["reason"], strict.findings, lenient and lenient.findings)
