from kms.cli.demo.findings import Findings

ALL = {
    "signed_files": 3,
    "offline_verified": True,
    "rotated": True,
    "attested": True,
    "tampered_refused": True,
    "revocation_latency_ms": 1.5,
    "release_published": True,
    "tampered_release_refused": True,
    "unconsented_refused": True,
    "update_installed": True,
    "update_latency_ms": 2.5,
    "removal_proven": True,
    "removal_latency_ms": 3.5,
    "receipt_grade": "A1",
    "restarted_without_loss": True,
    "log_size": 9,
    "inclusion_verified": True,
    "consistency_verified": True,
    "tls_group": "X25519MLKEM768",
    "engine": "some engine",
}


def test_the_document_has_the_agreed_names_in_order() -> None:
    assert list(Findings().to_dict()) == list(ALL)


def test_nothing_holds_before_it_happened() -> None:
    assert Findings().missing() == list(ALL)
    assert Findings(**ALL).missing() == []


def test_what_did_not_hold_is_named() -> None:
    assert Findings(**{**ALL, "rotated": False, "receipt_grade": "", "log_size": 0}).missing() == [
        "rotated",
        "receipt_grade",
        "log_size",
    ]
