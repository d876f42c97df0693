import base64
import io
import subprocess
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from hallmark_tlog.acceptance import accept_by_policy, accept_signed_by
from hallmark_tlog.canonical import encode_base64
from hallmark_tlog.errors import FormatError, InclusionError, NotSigned, QuorumNotReached
from hallmark_tlog.evidence_pack import MAX_PACK_BYTES, MEMBERS, EvidencePack, make_pack, parse_pack, verify_pack
from hallmark_tlog.locate import PublicLog
from hallmark_tlog.pack_readme import fingerprint
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.vkey import KeyType
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    LOG_VKEYS,
    ORIGIN,
    WITNESS_ED25519,
    WITNESS_ML_DSA,
    VirtualLog,
)

POLICY_TEXT = (
    f"log {LOG_ED25519.vkey}\nlog {LOG_ML_DSA.vkey}\n"
    f"witness one {WITNESS_ED25519.vkey}\nwitness two {WITNESS_ML_DSA.vkey}\ngroup both all one two\nquorum both\n"
)
POLICY = parse_policy(POLICY_TEXT)
ACCEPT = accept_by_policy(POLICY)
KEYS_ONLY = accept_signed_by(LOG_VKEYS, origin=ORIGIN)


def cosigned(size: int = 300) -> VirtualLog:
    log = VirtualLog.of_size(size)
    log.sign(LOG_ED25519, LOG_ML_DSA, WITNESS_ED25519, WITNESS_ML_DSA)
    return log


def packed(index: int = 7, size: int = 300) -> EvidencePack:
    return make_pack(PublicLog(cosigned(size).fetch, ACCEPT).prove(index), POLICY, POLICY_TEXT)


PACK = packed()
DATA = bytes(PACK)


def test_it_reads_what_it_writes_and_holds() -> None:
    assert parse_pack(DATA) == PACK
    verified = verify_pack(parse_pack(DATA), ACCEPT)
    assert (verified.entry, verified.index) == (b"entry 7", 7)
    assert len(verified.checkpoint.signers) == 4


def test_the_same_evidence_is_the_same_file() -> None:
    log = cosigned()
    one, two = (make_pack(PublicLog(log.fetch, ACCEPT).prove(7), POLICY, POLICY_TEXT) for _ in range(2))
    assert bytes(one) == bytes(two)


def test_other_tools_open_it() -> None:
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        assert archive.testzip() is None
        assert tuple(archive.namelist()) == MEMBERS
        assert archive.read("entry.json") == PACK.entry
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}


def test_the_unzip_of_the_system_opens_it(tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(DATA)
    try:
        ran = subprocess.run(["unzip", "-q", "pack.zip"], cwd=tmp_path, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unzip on this machine")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "entry.tlog-proof").read_bytes() == PACK.proof


def test_a_pack_that_the_policy_does_not_accept_is_not_made() -> None:
    proved = PublicLog(VirtualLog.of_size(300).fetch, KEYS_ONLY).prove(7)
    with pytest.raises(QuorumNotReached):
        make_pack(proved, POLICY, POLICY_TEXT)


def test_other_keys_than_the_readers_are_refused() -> None:
    stranger = accept_signed_by([replace(LOG_ED25519.vkey, public_key=bytes(32))], origin=ORIGIN)
    with pytest.raises(NotSigned):
        verify_pack(PACK, stranger)


def test_another_entry_is_refused() -> None:
    lie = replace(PACK, entry=b"entry 8")
    with pytest.raises(InclusionError):
        verify_pack(parse_pack(bytes(lie)), ACCEPT)


def test_a_flipped_bit_anywhere_is_refused() -> None:
    for position in range(0, len(DATA), 7):
        changed = DATA[:position] + bytes([DATA[position] ^ 1]) + DATA[position + 1 :]
        with pytest.raises(FormatError):
            parse_pack(changed)


def rewritten(**changes: bytes) -> bytes:
    """By another tool: the same names, as Python's zipfile writes them."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(DATA)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, changes.get(name, source.read(name)))
    return target.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:-1],
        DATA + b"\0",
        b"\0" + DATA,
        DATA.replace(b"entry.json", b"entry.jsom"),
        DATA.replace(b"entry.json", b"../../../x"),
        rewritten(),
        bytes(MAX_PACK_BYTES + 1),
    ],
)
def test_other_archives_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_pack(data)


def test_members_that_do_not_belong_together_are_refused() -> None:
    other = packed(size=299)
    for lie in (
        replace(PACK, checkpoint=other.checkpoint),
        replace(PACK, vkeys=f"{WITNESS_ED25519.vkey}\n".encode()),
        replace(PACK, policy=b"quorum none\n"),
        replace(PACK, policy=b"\xff"),
        replace(PACK, proof=b"?"),
        replace(PACK, entry=bytes(70_000)),
    ):
        with pytest.raises(FormatError):
            parse_pack(bytes(lie))


def test_the_readme_names_the_facts() -> None:
    text = PACK.readme.decode()
    for fact in (ORIGIN, "number 7 of 300", sha256(b"entry 7").hexdigest(), "witness.example/one"):
        assert fact in text
    assert all(fingerprint(key) in text for key in POLICY.vkeys)
    assert all(f"  {name} " in text for name in MEMBERS[:-1])


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (7, 300), (299, 300), (255, 256), (256, 257), (4, 7)])
def test_the_steps_in_the_readme_lead_to_the_root(index: int, size: int) -> None:
    """Step 2 of README.txt, followed word by word by somebody who has no library."""
    pack = packed(index, size)
    head, _, checkpoint = pack.proof.partition(b"\n\n")
    lines = head.decode().split("\n")
    h = sha256(b"\x00" + pack.entry).digest()
    i, last = int(lines[1].removeprefix("index ")), int(checkpoint.split(b"\n")[1]) - 1
    for line in lines[2:]:
        p = base64.b64decode(line)
        if i % 2 or i == last:
            h = sha256(b"\x01" + p + h).digest()
            if i % 2 == 0:
                while i % 2 == 0 and i != 0:
                    i, last = i // 2, last // 2
        else:
            h = sha256(b"\x01" + h + p).digest()
        i, last = i // 2, last // 2
    assert last == 0
    assert encode_base64(h) == checkpoint.split(b"\n")[2].decode()


def test_the_signatures_are_checked_by_the_readme_alone() -> None:
    """Step 3 of README.txt, with nothing but SHA-256, Ed25519 and ML-DSA-44."""
    text, _, lines = PACK.checkpoint.decode().rpartition("\n\n")
    text += "\n"
    log, size, root = text.split("\n")[:3]
    listed = PACK.policy.decode().split()
    keys = {}
    for name, key_id, encoded in (item.split("+", 2) for item in listed if item.count("+") >= 2):
        kind, public = base64.b64decode(encoded)[0], base64.b64decode(encoded)[1:]
        assert sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4].hex() == key_id
        keys[name, key_id] = (kind, public)
    kinds = []
    for line in lines.splitlines():
        _, name, encoded = line.split(" ")
        data = base64.b64decode(encoded)
        kind, public = keys[name, data[:4].hex()]
        time, signature = data[4:12], data[12:]
        match kind:
            case 1:
                Ed25519PublicKey.from_public_bytes(public).verify(data[4:], text.encode())
            case 4:
                dated = f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n{text}"
                Ed25519PublicKey.from_public_bytes(public).verify(signature, dated.encode())
            case _:
                names = [bytes([len(each)]) + each.encode() for each in (name, log)]
                message = b"subtree/v1" + b"\x0a\x00" + names[0] + time + names[1] + bytes(8)
                message += int(size).to_bytes(8, "big") + base64.b64decode(root)
                MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
        kinds.append(kind)
    assert kinds == [1, 6, 4, 6]


def test_fingerprints_are_of_the_lines_as_they_stand() -> None:
    """Policies list Ed25519 witnesses with type 0x01, too: that line is the one to compare."""
    listed = replace(WITNESS_ED25519.vkey, type=KeyType.ED25519)
    text = f"log {LOG_ED25519.vkey}\nwitness one {listed}\nquorum one\n"
    policy = parse_policy(text)
    log = VirtualLog.of_size(3)
    log.sign(LOG_ED25519, WITNESS_ED25519)
    proved = PublicLog(log.fetch, accept_by_policy(policy)).prove(0)
    assert fingerprint(listed) in make_pack(proved, policy, text).readme.decode()
