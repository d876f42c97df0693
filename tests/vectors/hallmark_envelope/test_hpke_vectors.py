"""Vectors of the HPKE working group and of X-Wing, and LAMPS composite ML-KEM with its parts.

The library seals and opens with one suite per KEM; the vectors use others too, so a vector is opened with the key that
the library makes of its seed and with the vector's own suite. A suite that `cryptography` has not is skipped.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from hallmark_envelope import EnvelopePrivateKey, HpkeKem

KDFS = {
    1: hpke.KDF.HKDF_SHA256,
    2: hpke.KDF.HKDF_SHA384,
    3: hpke.KDF.HKDF_SHA512,
    0x10: hpke.KDF.SHAKE128,
    0x11: hpke.KDF.SHAKE256,
}
AEADS = {1: hpke.AEAD.AES_128_GCM, 2: hpke.AEAD.AES_256_GCM, 3: hpke.AEAD.CHACHA20_POLY1305}
OTHER_KEMS = {
    0x10: (hpke.KEM.P256, lambda seed: ec.derive_private_key(int.from_bytes(seed, "big"), ec.SECP256R1())),
    0x11: (hpke.KEM.P384, lambda seed: ec.derive_private_key(int.from_bytes(seed, "big"), ec.SECP384R1())),
    0x20: (hpke.KEM.X25519, x25519.X25519PrivateKey.from_private_bytes),
    0x41: (hpke.KEM.MLKEM768, mlkem.MLKEM768PrivateKey.from_seed_bytes),
    0x42: (hpke.KEM.MLKEM1024, mlkem.MLKEM1024PrivateKey.from_seed_bytes),
}
KEMS = {HpkeKem.MLKEM768_X25519: hpke.KEM.MLKEM768_X25519, HpkeKem.MLKEM1024_P384: hpke.KEM.MLKEM1024_P384}


def hpke_vectors(vectors: Path, *kem_ids: int) -> list[dict[str, Any]]:
    tests = json.loads((vectors / "crypto/hpke-pq/test-vectors.json").read_text())
    return [test for test in tests if test["kem_id"] in kem_ids]


def open_first(test: dict[str, Any], kem: Any, private_key: Any) -> tuple[bytes, bytes]:
    """(opened, expected) of the first message; later ones need a sequence number, which one-shot HPKE has not."""
    suite = hpke.Suite(kem, KDFS[test["kdf_id"]], AEADS[test["aead_id"]])
    message = {name: bytes.fromhex(value) for name, value in test["encryptions"][0].items()}
    sealed, info = bytes.fromhex(test["enc"]) + message["ct"], bytes.fromhex(test["info"])
    # The vectors have associated data, which the public call leaves empty.
    opened = openssl.hpke._decrypt_with_aad(suite, sealed, private_key, info, message["aad"])
    return opened, message["pt"]


@pytest.mark.parametrize("kem", HpkeKem, ids=lambda kem: kem.standard_name)
def test_seeds_give_the_working_groups_keys_and_open_its_envelopes(kem: HpkeKem, vectors: Path) -> None:
    tests = hpke_vectors(vectors, int(kem))
    assert tests
    for test in tests:
        key = EnvelopePrivateKey.from_seed(kem, bytes.fromhex(test["skRm"]))
        assert key.public_key == bytes.fromhex(test["pkRm"])
        assert len(bytes.fromhex(test["enc"])) == kem.enc_size
        opened, expected = open_first(test, KEMS[kem], key._key)
        assert opened == expected


@pytest.mark.parametrize("kem_id", [*OTHER_KEMS, 0x21, 0x50], ids=hex)
def test_the_package_agrees_on_the_other_kems(kem_id: int, vectors: Path) -> None:
    tests = [test for test in hpke_vectors(vectors, kem_id) if test["kdf_id"] in KDFS]
    if kem_id not in OTHER_KEMS or not tests:
        pytest.skip(f"cryptography has no HPKE with KEM {kem_id:#06x} and the KDF of its vectors")
    for test in tests:
        kem, load = OTHER_KEMS[kem_id]
        opened, expected = open_first(test, kem, load(bytes.fromhex(test["skRm"])))
        assert opened == expected


def test_x_wing_vectors(vectors: Path) -> None:
    tests = json.loads((vectors / "crypto/x-wing/test-vectors.json").read_text())
    assert tests
    for test in tests:
        seed = bytes.fromhex(test["sk"])
        assert EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, seed).public_key.hex() == test["pk"]
        expanded = hashlib.shake_256(seed).digest(96)
        dk = expanded[:64] + expanded[64:]
        assert combined(dk, bytes.fromhex(test["ct"]), "X25519").hex() == test["ss"]


def test_composite_ml_kem_vectors(vectors: Path) -> None:
    """The combiner that both KEMs share (HPKE gives it no other name), with the LAMPS keys and labels."""
    supported = {"id-MLKEM768-X25519-SHA3-256": "X25519", "id-MLKEM1024-ECDH-P384-SHA3-256": "P384"}
    tests = json.loads((vectors / "crypto/composite-mlkem/testvectors.json").read_text())["tests"]
    checked = 0
    for test in tests:
        values = {name: base64.b64decode(test[name]) for name in ("ek", "dk", "c", "k")}
        if test["tcId"] in supported:
            assert combined(values["dk"], values["c"], supported[test["tcId"]]) == values["k"]
            checked += 1
        elif test["tcId"] in {"id-alg-ml-kem-768", "id-alg-ml-kem-1024"}:
            load = mlkem.MLKEM768PrivateKey if "768" in test["tcId"] else mlkem.MLKEM1024PrivateKey
            key = load.from_seed_bytes(values["dk"])
            assert key.public_key().public_bytes_raw() == values["ek"]
            assert key.decapsulate(values["c"]) == values["k"]
            checked += 1
    assert checked == 4


def combined(dk: bytes, ct: bytes, group: str) -> bytes:
    """SHA3-256(mlkemSS || tradSS || tradCT || tradPK || label)."""
    if group == "X25519":
        post_quantum: Any = mlkem.MLKEM768PrivateKey.from_seed_bytes(dk[:64])
        exchange = x25519.X25519PrivateKey.from_private_bytes(dk[64:])
        own = exchange.public_key().public_bytes_raw()
        shared = exchange.exchange(x25519.X25519PublicKey.from_public_bytes(ct[1088:]))
        size, label = 1088, bytes.fromhex("5c2e2f2f5e5c")
    else:
        post_quantum = mlkem.MLKEM1024PrivateKey.from_seed_bytes(dk[:64])
        elliptic = load_der_private_key(dk[64:], None)
        assert isinstance(elliptic, ec.EllipticCurvePrivateKey)
        own = elliptic.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), ct[1568:])
        shared = elliptic.exchange(ec.ECDH(), peer)
        size, label = 1568, b"MLKEM1024-P384"
    secret = post_quantum.decapsulate(ct[:size])
    return hashlib.sha3_256(secret + shared + ct[size:] + own + label).digest()


@pytest.mark.parametrize("name", ["768", "1024"])
def test_wycheproof_ml_kem(name: str, vectors: Path) -> None:
    """The KEM under both of ours: keys from seeds, decapsulation with implicit rejection, and wrong lengths."""
    kind = mlkem.MLKEM768PrivateKey if name == "768" else mlkem.MLKEM1024PrivateKey
    groups = json.loads((vectors / f"crypto/wycheproof/mlkem_{name}_test.json").read_text())["testGroups"]
    checked = 0
    for group in groups:
        for test in group["tests"]:
            try:
                key = kind.from_seed_bytes(bytes.fromhex(test["seed"]))
                secret = key.decapsulate(bytes.fromhex(test["c"]))
            except ValueError:
                assert test["result"] == "invalid", test["tcId"]
            else:
                assert key.public_key().public_bytes_raw().hex() == test["ek"], test["tcId"]
                assert (secret.hex() == test["K"]) == (test["result"] == "valid"), test["tcId"]
            checked += 1
    assert checked > 50


def test_wycheproof_semi_expanded_ml_kem(vectors: Path) -> None:
    assert (vectors / "crypto/wycheproof/mlkem_768_semi_expanded_decaps_test.json").exists()
    pytest.skip("cryptography takes ML-KEM private keys as seeds only, and so does this project")
