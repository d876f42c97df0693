"""CycloneDX documents, held against its own strict schema."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hallmark_client.model.audit import AlgorithmShare, CoverageReport, QuantumSafety
from hallmark_client.model.capabilities import Capabilities, Engine, Hsm, Limits, LogIdentity
from hallmark_client.model.enums import Algorithm, KeyPurpose, KeyVersionState, ProtectionLevel
from hallmark_client.model.keys import Key, KeyVersion
from kms.cli.audit.cbom_algorithms import CATALOGUE, described
from kms.cli.audit.cbom_build import Cbom
from kms.cli.audit.cbom_facts import Facts, Handshake
from kms.cli.audit.distribution import ROOT, installed
from kms.cli.audit.documents import written
from kms.cli.main import run
from unit.kms.audit.bench import make_certificate

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CONSTRAINTS = Path(__file__).resolve().parents[5] / "constraints.txt"


def _validated(document: bytes) -> dict:
    """As CycloneDX 1.6 has it, unknown fields refused."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None
    return json.loads(document)


def _version(number: int, state: KeyVersionState) -> KeyVersion:
    return KeyVersion(
        name=f"tenants/default/keys/manifest/versions/{number}",
        state=state,
        protection_level=ProtectionLevel.HSM_WRAPPED,
        components=(),
        create_time=NOW,
        deactivate_time=None,
        revoke_time=None,
        public_key_sha256="ab" * 32,
    )


def _facts() -> Facts:
    states = [state for state in KeyVersionState if state is not KeyVersionState.UNKNOWN]
    key = Key(
        name="tenants/default/keys/manifest",
        purpose=KeyPurpose.SIGN,
        algorithm=Algorithm.MLDSA65_ECDSA_P256_SHA512,
        primary_version="",
        create_time=NOW,
        update_time=NOW,
        labels={},
        etag="",
        versions=tuple(_version(number, state) for number, state in enumerate(states, 1)),
        revoke_time=None,
    )
    second = timedelta(seconds=1)
    capabilities = Capabilities(
        version="0.1.0",
        algorithms=tuple(Algorithm),
        default_algorithm=Algorithm.MLDSA65_ECDSA_P256_SHA512,
        engines=(Engine(name="liboqs", version="0.16", signs=True, verifies_releases=False, signatures_per_second=1),),
        hsm=Hsm(
            module="/usr/lib/softhsm/libsofthsm2.so",
            token_label="hallmark",
            token_model="SoftHSM v2",
            usable=True,
            native_mldsa=False,
            signer_processes=2,
            problem="",
        ),
        log=LogIdentity(origin="example", verifier_keys=(), public_url=""),
        limits=Limits(
            max_message_bytes=1,
            max_context_bytes=1,
            max_evidence_bytes=1,
            challenge_lifetime=second,
            request_id_lifetime=second,
        ),
        evidence_formats=(),
        tls_group="X25519MLKEM768",
        require_pq_tls=False,
    )
    shares = (
        AlgorithmShare(algorithm="X25519MLKEM768", safety=QuantumSafety.HYBRID, count=9, share=0.9),
        AlgorithmShare(algorithm="X25519 (TLSv1.2)", safety=QuantumSafety.CLASSICAL, count=1, share=0.1),
    )
    coverage = CoverageReport(
        sessions=shares,
        tls_versions=(),
        certificate_keys=(),
        certificate_signatures=(),
        keys=(),
        signatures=(),
        sessions_covered=0.9,
        keys_covered=1,
        signatures_covered=1,
        classical_only=(),
        since=NOW,
        until=NOW,
    )
    packages = installed()
    return Facts(
        address="localhost:7443",
        capabilities=capabilities,
        keys=(key,),
        coverage=coverage,
        handshakes=(Handshake("1.3", "TLS_AES_128_GCM_SHA256"), Handshake("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")),
        certificates={"server": x509.load_pem_x509_certificate(make_certificate())},
        packages={name: packages[name] for name in ("cryptography", "grpcio")},
        openssl="OpenSSL 4",
    )


def test_a_cbom_names_algorithms_keys_certificates_protocols_and_libraries() -> None:
    document = _validated(written(Cbom(_facts()).build()))
    by_ref = {each["bom-ref"]: each for each in document["components"]}
    signer = by_ref["key:tenants/default/keys/manifest/versions/2"]["cryptoProperties"]
    material = signer["relatedCryptoMaterialProperties"]
    assert (material["state"], material["algorithmRef"]) == ("active", "algorithm:id-MLDSA65-ECDSA-P256-SHA512")
    assert material["securedBy"]["mechanism"] == "sealed under an HSM key"
    assert "value" not in material
    needs = {each["ref"]: set(each.get("dependsOn", ())) for each in document["dependencies"]}
    assert needs["algorithm:id-MLDSA65-ECDSA-P256-SHA512"] == {"algorithm:ML-DSA-65", "algorithm:ECDSA P-256"}
    assert needs["protocol:tls-1.3"] >= {"algorithm:X25519MLKEM768", "algorithm:AES-128-GCM"}
    assert needs["certificate:server"] == {"algorithm:ECDSA P-256", "algorithm:ECDSA-SHA256"}
    assert {"engine:liboqs", "pkcs11-module", "pkg:pypi/grpcio@" + installed()["grpcio"].version} <= needs["service"]
    assert (
        by_ref["pkg:pypi/cryptography@" + installed()["cryptography"].version]["properties"][0]["value"] == "OpenSSL 4"
    )
    states = {
        each["cryptoProperties"]["relatedCryptoMaterialProperties"]["state"]
        for ref, each in by_ref.items()
        if ref.startswith("key:")
    }
    assert states == {"pre-activation", "active", "suspended", "deactivated", "compromised", "destroyed"}


@pytest.mark.parametrize("algorithm", [each for each in Algorithm if each is not Algorithm.UNKNOWN])
def test_every_algorithm_of_keys_is_described(algorithm: Algorithm) -> None:
    known = CATALOGUE[algorithm.value]
    assert known.functions
    assert known.level is not None
    assert all(part in CATALOGUE for part in known.parts)


def test_of_what_is_not_known_only_the_name_is_said() -> None:
    assert described("GOST R 34.10").functions == ()


def test_an_sbom_has_every_package_with_version_licence_hashes_and_url(tmp_path: Path, capsys) -> None:
    output = tmp_path / "sbom.json"
    assert run(["audit", "sbom", "--output", str(output), "--constraints", str(CONSTRAINTS)]) == 0
    document = _validated(output.read_bytes())
    found = {each["name"]: each for each in document["components"]}
    assert set(found) == set(installed()) - {ROOT}
    for name, each in found.items():
        assert each["purl"] == f"pkg:pypi/{name}@{each['version']}"
        assert each["licenses"]
        assert all(entry["alg"] == "SHA-256" and len(entry["content"]) == 64 for entry in each["hashes"])
        assert each["hashes"]
    assert document["metadata"]["component"]["name"] == ROOT
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert any(ref.startswith("pkg:pypi/cffi@") for ref in needs[found["cryptography"]["bom-ref"]])
    assert b"://" not in output.read_bytes().replace(b"http://cyclonedx.org/schema/bom-1.6.schema.json", b"")


@pytest.mark.parametrize("file", [None, "letter.txt"], ids=["no file", "a file without pins"])
def test_without_pins_there_are_no_hashes(tmp_path: Path, monkeypatch, capsys, file: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text("Dear auditor,\n")
    more = [] if file is None else ["--constraints", file]
    assert run(["audit", "sbom", "--output", "sbom.json", *more]) == 0
    assert "none of them with hashes" in capsys.readouterr().out
    assert run(["audit", "sbom", "--output", "sbom.json", "--json", *more]) == 0
    assert json.loads(capsys.readouterr().out)["hashed"] == 0
    assert not any("hashes" in each for each in json.loads(Path("sbom.json").read_text())["components"])
