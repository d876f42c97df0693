"""COSE receipts and signed statements of scitt-cose, one folder each; statement and receipt are judged."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hallmark_tlog.ccf_receipt import VerifiedCcfReceipt, verify_ccf_receipt
from hallmark_tlog.cose import load_key, parse_sign1, verify_sign1
from hallmark_tlog.cose_receipt import VerifiedReceipt, verify_receipt
from hallmark_tlog.errors import BadSignature, SignatureError, UnsupportedVds

REFUSALS = {
    # Nobody signed the root that an altered path leads to.
    "TAMPERED_INCLUSION_PATH": BadSignature,
    "UNSUPPORTED_VDS": UnsupportedVds,
    "BAD_STATEMENT_SIGNATURE": BadSignature,
}


def folders(tlog: Callable[[str], Path]) -> list[Path]:
    found = sorted(path.parent for path in tlog("cose-receipts").glob("*/expected.json"))
    assert found
    return found


def expected_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return found


def judge(folder: Path, key_file: str = "log-key.pub") -> VerifiedReceipt | VerifiedCcfReceipt:
    """A verifier knows what kind of log it trusts: the folders of CCF ledgers are named so."""
    entry = sha256((folder / "statement.cose").read_bytes()).digest()
    verify = verify_ccf_receipt if "ccf" in folder.name else verify_receipt
    return verify((folder / "receipt.cose").read_bytes(), entry, [load_key((folder / key_file).read_bytes())])


def verify_statement(folder: Path) -> None:
    statement = (folder / "statement.cose").read_bytes()
    verify_sign1(statement, [load_key((folder / "issuer-key.pub").read_bytes())])


def test_receipts(tlog: Callable[[str], Path]) -> None:
    for folder in folders(tlog):
        expected = expected_of(folder)
        if not expected["receipt_valid"]:
            with pytest.raises(REFUSALS[expected["failure_code"]]):
                judge(folder)
            continue
        verified = judge(folder)
        if expected["reconstructed_root"]:
            assert verified.root.hex() == expected["reconstructed_root"]
        if isinstance(verified, VerifiedReceipt):
            found = (verified.index, verified.size, verified.entry.hex())
            assert found == (expected["leaf_index"], expected["tree_size"], expected["leaf_entry"])
        with pytest.raises(SignatureError):
            judge(folder, "issuer-key.pub")


def test_statements(tlog: Callable[[str], Path]) -> None:
    for folder in folders(tlog):
        expected = expected_of(folder)
        message = parse_sign1((folder / "statement.cose").read_bytes())
        assert sha256(message.payload or b"").hexdigest() == expected["payload_sha256"]
        stated = expected["protected_header"]["statement"]
        assert (message.issuer, message.subject) == (stated["issuer"], stated["subject"])
        if expected["statement_signature_valid"]:
            verify_statement(folder)
        else:
            with pytest.raises(BadSignature):
                verify_statement(folder)
