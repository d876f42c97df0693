"""Every genuine file of evidence (`--vectors DIR`, folder attestation) is known for what it is, as it lies there."""

import json
from pathlib import Path

import pytest
from hallmark_test_options import vectors_folder

from attestation import Format
from attestation.container import read_evidence

FILES = {
    "android": ({Format.ANDROID_KEY}, (".pem",)),
    "apple_appattest": ({Format.APPLE_APP_ATTEST, Format.APPLE_APP_ASSERTION}, (".json",)),
    "webauthn": ({Format.WEBAUTHN}, (".json",)),
    "intel": ({Format.INTEL_SGX, Format.INTEL_TDX}, (".bin",)),
    "amd_sev_snp": ({Format.AMD_SEV_SNP}, (".bin",)),
    "aws_nitro": ({Format.AWS_NITRO}, (".cbor",)),
    "tpm": ({Format.TPM, Format.AZURE_VTPM}, (".json",)),
    "arm": ({Format.ARM_PSA, Format.ARM_CCA}, (".cbor",)),
    "nvidia_gpu": ({Format.NVIDIA_GPU}, (".bin",)),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = vectors_folder(metafunc.config)
    cases = []
    for vendor, (formats, endings) in FILES.items():
        path = root / "attestation" / vendor if root else None
        if path is None or not (path / "expected.json").exists():
            skip = pytest.mark.skip(reason=f"give --vectors DIR with a folder attestation/{vendor}")
            cases.append(pytest.param(None, None, marks=skip, id=f"{vendor}-none"))
            continue
        rows = json.loads((path / "expected.json").read_text())["vectors"]
        names = {name for row in rows if row["authentic"] for name in row["files"] if name.endswith(endings)}
        cases += [
            pytest.param(path / name, formats, id=f"{vendor}-{name}") for name in sorted(names) if is_evidence(name)
        ]
    metafunc.parametrize(("path", "formats"), cases)


def is_evidence(name: str) -> bool:
    """Roots, issuers and collateral stand in the same rows; boot logs and activations come with other evidence."""
    others = ("roots/", "collateral", "ccel", "eventlog", "activation", "issuer", "root", "corim")
    return not any(word in name for word in others)


def test_it_is_known_by_its_content(path: Path, formats: set[Format]):
    found = read_evidence(path.read_bytes())
    assert found.format in formats
    assert found.size > 0
