from datetime import timedelta

import pytest

from kms.audit import safety
from kms.audit.coverage import Counts, coverage_of
from kms.audit.model import QuantumSafety
from kms.keys.algorithms import ALGORITHMS
from support.clock import START

SINCE = START - timedelta(days=30)


def _report(**counts: object):
    return coverage_of(Counts(**counts), since=SINCE, until=START)


def test_shares_are_of_their_own_table() -> None:
    report = _report(
        sessions={("TLSv1.3", "X25519MLKEM768"): 3, ("TLSv1.3", "X25519"): 1},
        keys={"id-MLDSA65-ECDSA-P256-SHA512": 1, "ECDSA-P256-SHA256": 1, "HPKE-MLKEM768-X25519": 2},
        signatures={"ML-DSA-65": 9, "Ed25519": 1},
    )
    assert [(each.algorithm, each.safety, each.count, each.share) for each in report.sessions] == [
        ("X25519MLKEM768", QuantumSafety.HYBRID, 3, 0.75),
        ("X25519", QuantumSafety.CLASSICAL, 1, 0.25),
    ]
    assert (report.sessions_covered, report.keys_covered, report.signatures_covered) == (0.75, 0.75, 0.9)
    assert report.tls_versions[0].share == 1


def test_of_nothing_all_is_covered() -> None:
    report = _report()
    assert (report.sessions_covered, report.keys_covered, report.signatures_covered) == (1, 1, 1)
    assert report.classical_only == ()


def test_what_rests_on_classical_cryptography_is_named_with_what_to_do() -> None:
    report = _report(
        sessions={("TLSv1.2", "P-256"): 2, ("TLSv1.3", "X25519"): 1, ("TLSv1.3", "X25519MLKEM768"): 4},
        certificates={("ECDSA P-256", "ECDSA-SHA256"): 6, ("none", "none"): 1},
        token_sessions=1,
        keys={"Ed25519": 2, "ML-DSA-65": 1},
        service_keys={"ECDSA-P256-SHA256": 3, "id-MLDSA65-ECDSA-P256-SHA512": 5},
        signatures={"Ed25519": 12},
        devices=4,
        approvals=5,
        checkpoints=6,
        receipt_keys=1,
    )
    counts = {each.what.partition(" (")[0]: each.count for each in report.classical_only}
    assert counts == {
        "TLS sessions with a classical key exchange": 3,
        "Versions of keys": 2,
        "Signatures that were made": 12,
        "Service keys for tokens in standard formats: status lists, attestation results, security events": 3,
        "Sessions whose client certificate is classical": 6,
        "Sessions identified by an OIDC token": 1,
        "Devices whose evidence chains to a vendor's root": 4,
        "Approvals, signed with ECDSA P-256": 5,
        "Checkpoints of the log for readers that verify only their Ed25519 signature": 6,
        "Keys for COSE receipts with Ed25519": 1,
    }
    assert all(each.risk.endswith(".") and each.advice.endswith(".") for each in report.classical_only)
    assert "P-256 (TLSv1.2)" in report.classical_only[0].what


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=str)
def test_every_algorithm_of_keys_has_its_place(algorithm) -> None:
    expected = {
        "composite": QuantumSafety.HYBRID,
        "hpke": QuantumSafety.HYBRID,
        "ml-dsa": QuantumSafety.POST_QUANTUM,
    }
    assert safety.of_key(algorithm.title) is expected.get(algorithm.family.value, QuantumSafety.CLASSICAL)


@pytest.mark.parametrize(
    ("version", "group", "expected"),
    [
        ("TLSv1.3", "X25519MLKEM768", QuantumSafety.HYBRID),
        ("TLSv1.3", "SecP384r1MLKEM1024", QuantumSafety.HYBRID),
        ("TLSv1.3", "MLKEM1024", QuantumSafety.POST_QUANTUM),
        ("TLSv1.3", "X25519", QuantumSafety.CLASSICAL),
        ("TLSv1.2", "X25519MLKEM768", QuantumSafety.CLASSICAL),
        ("TLSv1.3", "unknown", QuantumSafety.UNSPECIFIED),
        ("unknown", "unknown", QuantumSafety.UNSPECIFIED),
    ],
)
def test_a_group_is_believed_only_with_its_version(version: str, group: str, expected: QuantumSafety) -> None:
    assert safety.of_group(version, group) is expected


def test_certificates() -> None:
    assert safety.of_certificate("ML-DSA-65") is QuantumSafety.POST_QUANTUM
    assert safety.of_certificate("RSA-2048") is QuantumSafety.CLASSICAL
    assert safety.of_certificate("1.2.3.4") is QuantumSafety.UNSPECIFIED
