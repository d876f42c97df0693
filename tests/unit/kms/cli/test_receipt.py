import hashlib
import json

import pytest

from hallmark_client.model.log import LogPromise
from hallmark_tlog.errors import TlogError
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.proof import TlogProof, parse_proof
from hallmark_tlog.prove import inclusion_proof
from kms.cli.failure import CommandError
from kms.cli.receipt import check_receipt, read_vkeys, receipt_file
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, LOG_VKEYS, WITNESS_ED25519, VirtualLog

SIGNATURE, DIGEST = b"signature", b"digest"


def _entry(**changes: object) -> bytes:
    details = {
        "signature_sha256": hashlib.sha256(SIGNATURE).hexdigest(),
        "input_digest_sha256": hashlib.sha256(DIGEST).hexdigest(),
    }
    entry = {"type": "signature.created", "subject": "tenants/t/keys/k/versions/1", "time": "now", "details": details}
    return json.dumps({**entry, **changes}).encode()


def _receipt(entry: bytes) -> bytes:
    log = VirtualLog([b"first", entry, b"third"])
    path = inclusion_proof(1, 3, log.read_hash)
    proof = TlogProof(index=1, path=tuple(path), checkpoint=log.files["checkpoint"])
    promise = LogPromise(leaf_hash=leaf_hash(entry), event_key="e", leaf_index=1, tlog_proof=bytes(proof), entry=entry)
    return receipt_file(promise)


def test_a_receipt_proves_that_this_signature_is_in_the_log() -> None:
    found = check_receipt(_receipt(_entry()), LOG_VKEYS, signature=SIGNATURE, inputs=[b"another form", DIGEST])
    assert (found.leaf_index, found.tree_size, found.key_version) == (1, 3, "tenants/t/keys/k/versions/1")


def test_a_receipt_is_still_a_tlog_proof_with_its_entry_inside() -> None:
    assert parse_proof(_receipt(_entry())).extra == _entry()


@pytest.mark.parametrize(
    ("signature", "digest", "changes"),
    [(b"other", DIGEST, {}), (SIGNATURE, b"other", {}), (SIGNATURE, DIGEST, {"type": "key.created"})],
)
def test_a_receipt_of_something_else_is_refused(signature: bytes, digest: bytes, changes: dict[str, object]) -> None:
    with pytest.raises(CommandError, match="about"):
        check_receipt(_receipt(_entry(**changes)), LOG_VKEYS, signature=signature, inputs=[digest])


def test_an_entry_that_is_not_in_the_log_is_refused() -> None:
    proof = parse_proof(_receipt(_entry()))
    forged = TlogProof(index=1, path=proof.path, checkpoint=proof.checkpoint, extra=_entry(time="yesterday"))
    with pytest.raises(TlogError):
        check_receipt(bytes(forged), LOG_VKEYS, signature=SIGNATURE, inputs=[b"another form", DIGEST])


def test_another_logs_key_is_refused() -> None:
    with pytest.raises(TlogError):
        check_receipt(_receipt(_entry()), [WITNESS_ED25519.vkey], signature=SIGNATURE, inputs=[b"another form", DIGEST])


def test_a_proof_without_its_entry_is_not_usable() -> None:
    proof = parse_proof(_receipt(_entry()))
    bare = bytes(TlogProof(index=1, path=proof.path, checkpoint=proof.checkpoint))
    with pytest.raises(CommandError, match="does not bring its log entry"):
        check_receipt(bare, LOG_VKEYS, signature=SIGNATURE, inputs=[b"another form", DIGEST])


def test_verifier_keys_come_as_text_or_as_files(tmp_path) -> None:
    file = tmp_path / "log.vkey"
    file.write_text(f"{LOG_ED25519.vkey}\n\n{LOG_ML_DSA.vkey}\n")
    assert read_vkeys([str(file)]) == list(LOG_VKEYS)
    assert read_vkeys([str(LOG_ML_DSA.vkey)]) == [LOG_ML_DSA.vkey]


@pytest.mark.parametrize("text", ["", "nonsense", "a+b+c", "x" * 5000, "/nowhere/at/all"])
def test_what_is_no_verifier_key_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(CommandError, match="neither a verifier key nor a file"):
        read_vkeys([text])
