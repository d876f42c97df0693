import base64
import dataclasses

import pytest

from hallmark_tlog.errors import BadSignature, FormatError, InclusionError, NotSigned, OriginMismatch
from hallmark_tlog.proof import TlogProof, parse_proof, verify_proof
from hallmark_tlog.prove import inclusion_proof
from hallmark_tlog.verify import Require
from unit.hallmark_tlog.virtual_log import LOG_VKEYS, ORIGIN, WITNESS_ED25519, VirtualLog

LOG = VirtualLog.of_size(70)
HASH = base64.b64encode(bytes(32)).decode()


def prove(index: int, extra: bytes = b"") -> TlogProof:
    path = tuple(inclusion_proof(index, 70, LOG.read_hash))
    return TlogProof(index=index, path=path, checkpoint=LOG.files["checkpoint"], extra=extra)


@pytest.mark.parametrize("extra", [b"", b"context"])
@pytest.mark.parametrize("index", [0, 1, 63, 64, 69])
def test_a_proof_reads_back_and_verifies(index: int, extra: bytes) -> None:
    proof = prove(index, extra)
    assert parse_proof(bytes(proof)) == proof
    entry = LOG.entries[index]
    verified = verify_proof(bytes(proof), entry, LOG_VKEYS, origin=ORIGIN, require=Require.ALL)
    assert (verified.entry, verified.index, verified.checkpoint.checkpoint) == (entry, index, LOG.checkpoint)


def test_the_text_of_a_proof() -> None:
    proof = TlogProof(index=7, path=(bytes(32),), checkpoint=b"note\n", extra=b"x")
    assert bytes(proof) == f"c2sp.org/tlog-proof@v1\nextra eA==\nindex 7\n{HASH}\n\nnote\n".encode()


def test_a_tree_of_one_has_an_empty_path() -> None:
    log = VirtualLog.of_size(1)
    proof = TlogProof(index=0, path=(), checkpoint=log.files["checkpoint"])
    assert verify_proof(proof, log.entries[0], LOG_VKEYS).index == 0


def test_another_entry_index_or_path() -> None:
    proof = prove(5)
    entry = LOG.entries[5]
    wrong = [
        (proof, LOG.entries[6]),
        (proof, b""),
        (dataclasses.replace(proof, index=4), entry),
        (dataclasses.replace(proof, index=70), entry),
        (dataclasses.replace(proof, path=proof.path[:-1]), entry),
        (dataclasses.replace(proof, path=(*proof.path, bytes(32))), entry),
        (dataclasses.replace(proof, path=(bytes(32), *proof.path[1:])), entry),
    ]
    for bad, said in wrong:
        with pytest.raises(InclusionError):
            verify_proof(bad, said, LOG_VKEYS)


def test_the_checkpoint_must_be_trusted() -> None:
    proof = prove(5)
    with pytest.raises(NotSigned):
        verify_proof(proof, LOG.entries[5], [WITNESS_ED25519.vkey])
    with pytest.raises(OriginMismatch):
        verify_proof(proof, LOG.entries[5], LOG_VKEYS, origin="log.example/other")
    resized = dataclasses.replace(proof, checkpoint=proof.checkpoint.replace(b"\n70\n", b"\n71\n"))
    with pytest.raises(BadSignature):
        verify_proof(resized, LOG.entries[5], LOG_VKEYS)
    nothing = dataclasses.replace(proof, checkpoint=b"note\n")
    with pytest.raises(FormatError):
        verify_proof(nothing, LOG.entries[5], LOG_VKEYS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "index 0\n\nnote\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\nnote\n",
        "c2sp.org/tlog-proof@v1\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex +1\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 1 \n\nnote\n",
        f"c2sp.org/tlog-proof@v1\nindex {2**63}\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex \u0661\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nextra eB==\nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nextra eA==\nextra eA==\nindex 0\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra eA==\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nnote\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH} \n\nnote\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{(HASH + chr(10)) * 64}\nnote\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{(HASH + chr(10)) * 640}\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n" + "x" * 1_000_001,
        "x" * 2_000_000,
    ],
)
def test_malformed_proofs(text: str) -> None:
    with pytest.raises(FormatError):
        parse_proof(text.encode())
