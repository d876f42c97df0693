import hashlib
import os
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_envelope import EnvelopePrivateKey, HpkeKem
from hsm.backup.archive import BackupFacts, open_archive, read_facts, seal_archive
from hsm.errors import BackupInvalid, InvalidRequest

KEY = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(range(32)))
OTHER = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(32))
FACTS = BackupFacts(
    created_at=datetime(2026, 11, 21, 10, 0, tzinfo=UTC),
    token_serial="0123456789abcdef",
    token_label="hallmark",
    recovery_kem=KEY.kem,
    recovery_key_sha256=hashlib.sha256(KEY.public_key).digest(),
)
FILES = {"token.json": b"{}", "tokens/a/1.object": os.urandom(2_500_000), "tokens/a/empty": b""}
ARCHIVE = seal_archive(FILES, FACTS, KEY.public_key, os.urandom)


def test_what_is_sealed_opens_with_the_recovery_key() -> None:
    assert open_archive(ARCHIVE, KEY) == (FACTS, FILES)
    assert read_facts(ARCHIVE) == FACTS


def test_nothing_of_the_token_is_in_clear() -> None:
    marked = seal_archive({"tokens/a/1.object": b"secret" * 100}, FACTS, KEY.public_key, os.urandom)
    assert b"secret" not in marked
    assert b"1.object" not in marked


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(BackupInvalid, match="another recovery key"):
        open_archive(ARCHIVE, OTHER)


@pytest.mark.parametrize("position", [0, 5, 25, 60, 200, 400, 1_500, 2_000, 1_100_000, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    changed = bytearray(ARCHIVE)
    changed[position] ^= 1
    with pytest.raises(BackupInvalid):
        open_archive(bytes(changed), KEY)


def test_chunks_cannot_be_cut_moved_or_repeated() -> None:
    size = (1 << 20) + 16
    header_end = 19 + 4 + int.from_bytes(ARCHIVE[19:23], "big")
    body = header_end + 2 + int.from_bytes(ARCHIVE[header_end : header_end + 2], "big")
    head, chunks = ARCHIVE[:body], [ARCHIVE[at : at + size] for at in range(body, len(ARCHIVE), size)]
    first, second, last = chunks
    assert open_archive(head + first + second + last, KEY)[1] == FILES
    for wrong in ((), (first,), (first, second), (second, first, last), (first, last), (*chunks, last)):
        with pytest.raises(BackupInvalid):
            open_archive(head + b"".join(wrong), KEY)


def test_a_recovery_key_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="recovery key"):
        seal_archive(FILES, FACTS, b"no key", os.urandom)


@given(data=st.binary(max_size=300), prefix=st.sampled_from([b"", ARCHIVE[:19], ARCHIVE[:23], ARCHIVE[:180]]))
def test_any_bytes(data: bytes, prefix: bytes) -> None:
    with pytest.raises(BackupInvalid):
        open_archive(prefix + data, KEY)
