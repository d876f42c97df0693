from hashlib import sha256
from typing import Any

import pytest

from hallmark_tlog.ccf_receipt import verify_ccf_receipt
from hallmark_tlog.cose import encode_cbor, encode_sign1, signed_bytes
from hallmark_tlog.errors import BadSignature, FormatError, InclusionError, UnsupportedVds
from unit.hallmark_tlog.cose_signers import SIGNERS

SIGNER = SIGNERS[4]
DATA = sha256(b"a signed statement").digest()
TRANSACTION = sha256(b"a transaction").digest()
EVIDENCE = "ce:2.18:abc"
LEAF = [TRANSACTION, EVIDENCE, DATA]
LEFT, RIGHT = sha256(b"left").digest(), sha256(b"right").digest()
PATH = [[True, LEFT], [False, RIGHT]]

LEAF_HASH = sha256(TRANSACTION + sha256(EVIDENCE.encode()).digest() + DATA).digest()
ROOT = sha256(sha256(LEFT + LEAF_HASH).digest() + RIGHT).digest()


def receipt(proof: Any, *, vds: int = 2, root: bytes = ROOT) -> bytes:
    protected = encode_cbor({1: int(SIGNER.algorithm), 15: {1: "ledger"}, 395: vds, "ccf.v1": {"txid": "2.18"}})
    signature = SIGNER.sign(signed_bytes(protected, root))
    return encode_sign1(protected, {396: {-1: [encode_cbor(proof)]}}, None, signature)


def test_a_receipt() -> None:
    verified = verify_ccf_receipt(receipt({1: LEAF, 2: PATH}), DATA, [SIGNER.key])
    assert (verified.data_hash, verified.transaction_hash, verified.evidence) == (DATA, TRANSACTION, EVIDENCE)
    assert (verified.root, verified.issuer, verified.subject) == (ROOT, "ledger", None)


def test_other_data() -> None:
    with pytest.raises(InclusionError):
        verify_ccf_receipt(receipt({1: LEAF, 2: PATH}), bytes(32), [SIGNER.key])


@pytest.mark.parametrize("path", [[], PATH[:1], PATH[::-1], [[False, LEFT], PATH[1]], [*PATH, PATH[0]]])
def test_another_path(path: list[Any]) -> None:
    with pytest.raises(BadSignature):
        verify_ccf_receipt(receipt({1: LEAF, 2: path}), DATA, [SIGNER.key])


def test_another_data_structure() -> None:
    with pytest.raises(UnsupportedVds):
        verify_ccf_receipt(receipt({1: LEAF, 2: PATH}, vds=1), DATA, [SIGNER.key])


@pytest.mark.parametrize(
    "proof",
    [
        [8, 2, [LEFT]],
        {},
        {1: LEAF},
        {2: PATH},
        {1: LEAF[:2], 2: PATH},
        {1: [TRANSACTION[1:], EVIDENCE, DATA], 2: PATH},
        {1: [TRANSACTION, EVIDENCE.encode(), DATA], 2: PATH},
        {1: [TRANSACTION, "", DATA], 2: PATH},
        {1: [TRANSACTION, "x" * 1_025, DATA], 2: PATH},
        {1: [TRANSACTION, EVIDENCE, DATA[1:]], 2: PATH},
        {1: LEAF, 2: [[1, LEFT]]},
        {1: LEAF, 2: [[True, LEFT[1:]]]},
        {1: LEAF, 2: [[True]]},
        {1: LEAF, 2: [LEFT]},
        {1: LEAF, 2: PATH * 32},
    ],
)
def test_malformed_proofs(proof: Any) -> None:
    with pytest.raises(FormatError):
        verify_ccf_receipt(receipt(proof), DATA, [SIGNER.key])
