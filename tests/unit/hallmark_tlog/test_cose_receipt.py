from typing import Any

import pytest

from hallmark_tlog.cose import TAG_SIGN1, CoseKey, decode_cbor, encode_cbor, encode_sign1, parse_sign1
from hallmark_tlog.cose_receipt import (
    consistency_receipt,
    inclusion_receipt,
    receipt_header,
    receipt_message,
    verify_consistency_receipt,
    verify_receipt,
)
from hallmark_tlog.errors import (
    BadSignature,
    ConsistencyError,
    FormatError,
    InclusionError,
    NotSigned,
    UnsupportedVds,
)
from hallmark_tlog.prove import consistency_proof, inclusion_proof
from unit.hallmark_tlog.cose_signers import SIGNERS, CoseSigner
from unit.hallmark_tlog.virtual_log import VirtualLog

SIZE = 7
LOG = VirtualLog.of_size(SIZE)
ROOT = LOG.checkpoint.root
ED25519_SIGNER = SIGNERS[0]
EVERY_SIGNER = pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.algorithm.name)


def signed(signer: CoseSigner, root: bytes = ROOT) -> tuple[bytes, bytes]:
    protected = receipt_header(algorithm=signer.algorithm, kid=b"k1", issuer="https://log.example", subject="a log")
    return protected, signer.sign(receipt_message(protected, root))


def receipt_of(index: int, signer: CoseSigner = ED25519_SIGNER, size: int = SIZE) -> bytes:
    path = inclusion_proof(index, size, LOG.read_hash)
    return inclusion_receipt(*signed(signer, LOG.at(size).root), size=size, index=index, path=path)


@EVERY_SIGNER
def test_one_signature_serves_all_receipts_of_a_size(signer: CoseSigner) -> None:
    protected, signature = signed(signer)
    for index, entry in enumerate(LOG.entries):
        path = inclusion_proof(index, SIZE, LOG.read_hash)
        receipt = inclusion_receipt(protected, signature, size=SIZE, index=index, path=path)
        verified = verify_receipt(receipt, entry, [signer.key])
        assert (verified.entry, verified.index, verified.size, verified.root) == (entry, index, SIZE, ROOT)
        assert (verified.issuer, verified.subject, verified.key) == ("https://log.example", "a log", signer.key)


def test_the_receipt_of_the_only_entry() -> None:
    assert verify_receipt(receipt_of(0, size=1), LOG.entries[0], [ED25519_SIGNER.key]).size == 1


def test_the_bytes_are_those_of_the_standard() -> None:
    receipt = receipt_of(2)
    message = parse_sign1(receipt)
    assert receipt[0] == 0xD2
    assert message.payload is None
    assert message.headers == {1: -8, 4: b"k1", 15: {1: "https://log.example", 2: "a log"}, 395: 1}
    assert list(message.unprotected) == [396]
    (proof,) = message.unprotected[396][-1]
    assert decode_cbor(proof) == [SIZE, 2, inclusion_proof(2, SIZE, LOG.read_hash)]


def test_another_entry_place_or_path_leads_to_no_signed_root() -> None:
    keys = [ED25519_SIGNER.key]
    with pytest.raises(BadSignature):
        verify_receipt(receipt_of(2), LOG.entries[3], keys)
    path = inclusion_proof(2, SIZE, LOG.read_hash)
    for altered in ({"index": 3}, {"path": [bytes(32), *path[1:]]}):
        stated: dict[str, Any] = {"size": SIZE, "index": 2, "path": path} | altered
        with pytest.raises(BadSignature):
            verify_receipt(inclusion_receipt(*signed(ED25519_SIGNER), **stated), LOG.entries[2], keys)
    for altered in ({"index": SIZE}, {"path": path[:-1]}, {"path": [*path, bytes(32)]}, {"size": 0}, {"index": -1}):
        stated = {"size": SIZE, "index": 2, "path": path} | altered
        with pytest.raises(InclusionError):
            verify_receipt(inclusion_receipt(*signed(ED25519_SIGNER), **stated), LOG.entries[2], keys)


def test_nobody_signed_size_and_index() -> None:
    """Why a receipt says less than a tlog-proof: the last leaf of 5 has the path of the second of 2."""
    protected, signature = signed(ED25519_SIGNER, LOG.at(5).root)
    path = inclusion_proof(4, 5, LOG.read_hash)
    for index, size in ((4, 5), (1, 2)):
        receipt = inclusion_receipt(protected, signature, size=size, index=index, path=path)
        assert verify_receipt(receipt, LOG.entries[4], [ED25519_SIGNER.key]).root == LOG.at(5).root


def test_keys_of_others() -> None:
    for other in SIGNERS[2:]:
        with pytest.raises(NotSigned):
            verify_receipt(receipt_of(2), LOG.entries[2], [other.key])
    with pytest.raises(NotSigned):
        verify_receipt(receipt_of(2), LOG.entries[2], [CoseKey(ED25519_SIGNER.key.public_key, b"k2")])
    with pytest.raises(NotSigned):
        verify_receipt(receipt_of(2), LOG.entries[2], [])


@pytest.mark.parametrize("vds", [2, 0, "1", True, 1.0, None])
def test_other_data_structures(vds: object) -> None:
    protected = encode_cbor({1: -8, 395: vds})
    signature = ED25519_SIGNER.sign(receipt_message(protected, ROOT))
    path = inclusion_proof(2, SIZE, LOG.read_hash)
    receipt = inclusion_receipt(protected, signature, size=SIZE, index=2, path=path)
    with pytest.raises(UnsupportedVds):
        verify_receipt(receipt, LOG.entries[2], [ED25519_SIGNER.key])


def test_the_data_structure_is_read_from_the_protected_header_only() -> None:
    protected = encode_cbor({1: -8})
    signature = ED25519_SIGNER.sign(receipt_message(protected, ROOT))
    proof = encode_cbor([SIZE, 2, inclusion_proof(2, SIZE, LOG.read_hash)])
    with pytest.raises(UnsupportedVds):
        verify_receipt(
            encode_sign1(protected, {395: 1, 396: {-1: [proof]}}, None, signature),
            LOG.entries[2],
            [ED25519_SIGNER.key],
        )


PROOF = encode_cbor([SIZE, 2, inclusion_proof(2, SIZE, LOG.read_hash)])


@pytest.mark.parametrize(
    "unprotected",
    [
        {},
        {396: []},
        {396: {}},
        {396: {-2: [PROOF]}},
        {396: {-1: []}},
        {396: {-1: PROOF}},
        {396: {-1: [PROOF, PROOF]}},
        {396: {-1: [[SIZE, 2, []]]}},
        {396: {-1: [encode_cbor([SIZE, 2])]}},
        {396: {-1: [encode_cbor([SIZE, 2, bytes(32)])]}},
        {396: {-1: [encode_cbor([SIZE, 2, [bytes(31)]])]}},
        {396: {-1: [encode_cbor([SIZE, 2, ["x" * 32]])]}},
        {396: {-1: [encode_cbor([SIZE, True, []])]}},
        {396: {-1: [encode_cbor([2**63, 2, []])]}},
        {396: {-1: [encode_cbor([7.0, 2, []])]}},
        {396: {-1: [PROOF + b"\x00"]}},
        {396: {-1: [b""]}},
    ],
)
def test_malformed_proofs(unprotected: dict[int, Any]) -> None:
    protected, signature = signed(ED25519_SIGNER)
    with pytest.raises(FormatError):
        verify_receipt(encode_sign1(protected, unprotected, None, signature), LOG.entries[2], [ED25519_SIGNER.key])


def test_receipts_are_tagged_and_detached() -> None:
    """RFC 9942: the root is left out, so that nobody forgets to compute it."""
    protected, signature = signed(ED25519_SIGNER)
    detached = encode_sign1(protected, {396: {-1: [PROOF]}}, None, signature)
    assert verify_receipt(detached, LOG.entries[2], [ED25519_SIGNER.key]).root == ROOT
    attached = encode_sign1(protected, {396: {-1: [PROOF]}}, ROOT, signature)
    for other in (attached, detached.removeprefix(TAG_SIGN1)):
        with pytest.raises(FormatError, match="tagged"):
            verify_receipt(other, LOG.entries[2], [ED25519_SIGNER.key])


def test_true_is_no_data_structure() -> None:
    protected = encode_cbor({1: -8, 395: True})
    receipt = encode_sign1(protected, {396: {-1: [PROOF]}}, None, bytes(64))
    with pytest.raises(UnsupportedVds) as raised:
        verify_receipt(receipt, LOG.entries[2], [ED25519_SIGNER.key])
    assert raised.value.vds is None


@pytest.mark.parametrize("old", range(1, SIZE + 1))
@EVERY_SIGNER
def test_consistency(signer: CoseSigner, old: int) -> None:
    path = consistency_proof(old, SIZE, LOG.read_hash)
    receipt = consistency_receipt(*signed(signer), old_size=old, size=SIZE, path=path)
    verified = verify_consistency_receipt(receipt, old, LOG.at(old).root, [signer.key])
    assert (verified.old_size, verified.size, verified.root, verified.subject) == (old, SIZE, ROOT, "a log")


def test_consistency_with_something_else() -> None:
    keys = [ED25519_SIGNER.key]
    path = consistency_proof(3, SIZE, LOG.read_hash)
    receipt = consistency_receipt(*signed(ED25519_SIGNER), old_size=3, size=SIZE, path=path)
    for old, root in ((3, ROOT), (2, LOG.at(2).root), (4, LOG.at(4).root), (0, LOG.at(0).root)):
        with pytest.raises(ConsistencyError):
            verify_consistency_receipt(receipt, old, root, keys)
    shrunk = consistency_receipt(*signed(ED25519_SIGNER), old_size=SIZE, size=3, path=path)
    with pytest.raises(ConsistencyError):
        verify_consistency_receipt(shrunk, SIZE, ROOT, keys)
    altered = consistency_receipt(*signed(ED25519_SIGNER), old_size=3, size=SIZE, path=[*path[:-1], bytes(32)])
    with pytest.raises((ConsistencyError, BadSignature)):
        verify_consistency_receipt(altered, 3, LOG.at(3).root, keys)
    unsigned = consistency_receipt(*signed(ED25519_SIGNER, bytes(32)), old_size=3, size=SIZE, path=path)
    with pytest.raises(BadSignature):
        verify_consistency_receipt(unsigned, 3, LOG.at(3).root, keys)
    with pytest.raises(FormatError):
        verify_consistency_receipt(receipt_of(2), 3, LOG.at(3).root, keys)
