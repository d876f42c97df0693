import base64
from hashlib import sha256

import pytest

from hallmark_tlog.errors import FormatError, KeyIdMismatch
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, WITNESS_ED25519, WITNESS_ML_DSA

KEYS = [key.vkey for key in (LOG_ED25519, LOG_ML_DSA, WITNESS_ED25519, WITNESS_ML_DSA)]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name + str(key.type))
def test_a_vkey_reads_back(key: VerifierKey) -> None:
    assert parse_vkey(str(key)) == key
    assert key.verifiable


def test_the_key_id_is_made_of_name_type_and_key() -> None:
    key = VerifierKey("a", KeyType.ED25519, bytes(32))
    assert key.key_id == sha256(b"a\n\x01" + bytes(32)).digest()[:4]
    assert str(key) == f"a+{key.key_id.hex()}+{base64.b64encode(b'%c' % 1 + bytes(32)).decode()}"


def test_ecdsa_and_ct_keys_have_their_own_key_ids() -> None:
    spki = b"spki"
    assert VerifierKey("a", KeyType.ECDSA, spki).key_id == sha256(spki).digest()[:4]
    tree_head = VerifierKey("a", KeyType.RFC6962_TREE_HEAD, spki)
    assert tree_head.key_id == sha256(b"a\n\x05" + sha256(spki).digest()).digest()[:4]
    assert not tree_head.verifiable


def test_a_key_of_an_unknown_type_is_read_but_not_verifiable() -> None:
    key = VerifierKey("a", 0xFF, b"own scheme")
    assert parse_vkey(str(key)) == key
    assert not key.verifiable


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name + str(key.type))
def test_a_wrong_key_id_is_refused(key: VerifierKey) -> None:
    wrong = bytes([key.key_id[0] ^ 1]) + key.key_id[1:]
    with pytest.raises(KeyIdMismatch):
        parse_vkey(str(key).replace(key.key_id.hex(), wrong.hex(), 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "a++",
        "a+0123456+AQ==",
        "a+012345678+AQ==",
        "a+0123456g+AQ==",
        "a+01234567+",
        "a+01234567+AQ",
        "a+01234567+AQ==",
        "+01234567+AQ==",
        "x" * 20_000,
    ],
)
def test_malformed_vkeys(text: str) -> None:
    with pytest.raises(FormatError):
        parse_vkey(text)


def test_upper_case_space_and_newline_are_refused() -> None:
    text = str(KEYS[0])
    key_id = KEYS[0].key_id.hex()
    assert key_id.upper() != key_id
    for bad in (text.replace(key_id, key_id.upper(), 1), text + "\n", " " + text, text + "=", "sp ace" + text):
        with pytest.raises(FormatError):
            parse_vkey(bad)


@pytest.mark.parametrize(
    ("name", "key_type", "public_key"),
    [
        ("a", KeyType.ED25519, bytes(31)),
        ("a", KeyType.ED25519_COSIGNATURE, bytes(33)),
        ("a", KeyType.ML_DSA_44, bytes(1311)),
        ("a", 0xFF, b""),
        ("a", 256, b"x"),
        ("", KeyType.ED25519, bytes(32)),
        ("a" * 256, KeyType.ML_DSA_44, bytes(1312)),
    ],
)
def test_impossible_keys(name: str, key_type: int, public_key: bytes) -> None:
    with pytest.raises(FormatError):
        VerifierKey(name, key_type, public_key)
