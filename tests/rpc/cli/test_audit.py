"""`hallmark audit` against the real service."""

import json
import time
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.service import RunningService
from unit.kms.cli.console import Console


def test_a_report_says_how_much_is_covered_and_what_is_not(hallmark: Console, service: RunningService) -> None:
    hallmark("keys", "create", "hybrid-for-audit")
    hallmark("keys", "create", "plain-for-audit", "--algorithm", "ed25519")
    told = hallmark("audit", "report")
    assert told.code == 0
    assert "Post-quantum coverage from" in told.out
    assert "Versions of keys (" in told.out
    assert "Risk:" in told.out
    printed = json.loads(hallmark("audit", "report", "--json").out)
    assert 0 < printed["keys_covered"] < 1
    shares = {each["algorithm"]: each for each in printed["keys"]}
    assert shares["Ed25519"]["safety"] == "CLASSICAL"
    assert sum(each["count"] for each in printed["keys"]) >= 1
    assert set(printed) >= {"sessions", "tls_versions", "certificate_keys", "signatures", "classical_only", "since"}


def test_all_tenants_are_for_operators(hallmark: Console) -> None:
    for command in ("report", "sessions"):
        refused = hallmark("audit", command, "--all-tenants")
        assert (refused.code, "for operators" in refused.err) == (3, True)
    assert hallmark("audit", "report", "--all-tenants", "--as", "admin").code == 0
    assert hallmark("audit", "report", "--since", "2026-11-02", "--until", "2026-11-01").code == 3


def test_sessions_are_listed_newest_first(hallmark: Console) -> None:
    deadline = time.monotonic() + 20  # sessions are written down by and by
    while len(listed := json.loads(hallmark("audit", "sessions", "--json", "--limit", "5").out)["sessions"]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(listed) <= 5
    assert "--limit" in hallmark("audit", "sessions", "--limit", "1").err
    assert [each["start_time"] for each in listed] == sorted((each["start_time"] for each in listed), reverse=True)
    assert hallmark("audit", "sessions").code == 0
    assert "no such sessions" in hallmark("audit", "sessions", "--classical-only").out


def test_a_cbom_of_the_running_service_is_valid_and_holds_no_key(hallmark: Console, service: RunningService) -> None:
    hallmark("keys", "create", "hybrid-for-cbom")
    assert hallmark("audit", "cbom", "--output", "cbom.json").code == 0
    text = Path("cbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    parts = {each["bom-ref"]: each for each in document["components"]}
    material = parts["key:tenants/default/keys/hybrid-for-cbom/versions/1"]["cryptoProperties"]
    assert material["relatedCryptoMaterialProperties"]["state"] == "active"
    assert "value" not in json.dumps(material)
    tls = parts["protocol:tls-1.3"]["cryptoProperties"]["protocolProperties"]
    assert tls["cipherSuites"][0]["name"].startswith("TLS_")
    assert "algorithm:X25519MLKEM768" in tls["cipherSuites"][0]["algorithms"]
    server = parts["certificate:server"]["cryptoProperties"]["certificateProperties"]
    assert server["signatureAlgorithmRef"] == "algorithm:ECDSA-SHA256"
    assert "certificate:authority of the server" in parts
    assert any(ref.startswith("engine:") for ref in parts)
    assert "BEGIN" not in text
