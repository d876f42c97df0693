import os
from pathlib import Path

import pytest

from hallmark_envelope import SEED_SIZE, EnvelopePrivateKey, HpkeKem
from kms.app.backup_sealing import Recipient, SealBroken, open_file, seal_file

KEY = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(range(SEED_SIZE)))
RECIPIENT = Recipient(HpkeKem.MLKEM768_X25519, KEY.public_key)
ID = b"i" * 16
MIB = 1 << 20


def _sealed(folder: Path, content: bytes, name: str = "a.sealed") -> Path:
    source, target = folder / "plain", folder / name
    source.write_bytes(content)
    seal_file(source, target, RECIPIENT, ID)
    return target


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_what_was_sealed_comes_back(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    sealed = _sealed(tmp_path, content)
    open_file(sealed, tmp_path / "again", KEY, ID)
    assert (tmp_path / "again").read_bytes() == content
    assert {path.stat().st_mode & 0o777 for path in (sealed, tmp_path / "again")} == {0o600}


def test_every_changed_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    sealed = _sealed(tmp_path, b"secret" * 10)
    whole = sealed.read_bytes()
    broken = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), 37)]
    broken += [whole[:at] for at in range(0, len(whole), 53)] + [whole + b"x"]
    for number, content in enumerate(broken):
        sealed.write_bytes(content)
        with pytest.raises(SealBroken):
            open_file(sealed, tmp_path / f"again-{number}", KEY, ID)


def test_chunks_can_not_change_places_or_be_left_out(tmp_path: Path) -> None:
    sealed = _sealed(tmp_path, bytes(MIB) + b"\x01" * MIB + b"\x02" * 5)
    whole, chunk = sealed.read_bytes(), MIB + 16
    begin = len(whole) - 2 * chunk - (5 + 16)
    head, one, two, last = whole[:begin], whole[begin:][:chunk], whole[begin + chunk :][:chunk], whole[-21:]
    for number, order in enumerate(((two, one, last), (one, last), (one, two), (one, two, two, last))):
        sealed.write_bytes(head + b"".join(order))
        with pytest.raises(SealBroken):
            open_file(sealed, tmp_path / f"again-{number}", KEY, ID)


def test_a_file_is_of_one_name_one_backup_and_one_key(tmp_path: Path) -> None:
    sealed = _sealed(tmp_path, b"secret")
    other = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(SEED_SIZE))
    with pytest.raises(SealBroken):
        open_file(sealed, tmp_path / "1", KEY, b"j" * 16)
    with pytest.raises(SealBroken):
        open_file(sealed, tmp_path / "2", other, ID)
    with pytest.raises(SealBroken):
        open_file(sealed.rename(tmp_path / "b.sealed"), tmp_path / "3", KEY, ID)
