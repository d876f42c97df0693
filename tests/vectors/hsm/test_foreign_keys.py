"""Example private keys of RFC 9881, good and bad, and the composite keys of the LAMPS working group."""

import base64
import json
from pathlib import Path

import pytest

from hallmark_composite import ALGORITHMS, MlDsaParameterSet
from hsm.engines.expansion import find_expand_seed
from hsm.engines.openssl import OpenSslEngine
from hsm.errors import ImportRefused
from hsm.foreign_keys import encode, parse
from hsm.key_targets import classical_public_key

EXAMPLE_SEED = bytes(range(32))


def example(vectors: Path, name: str) -> bytes:
    lines = (vectors / "crypto/pkix" / f"{name}.priv").read_text().splitlines()
    start = lines.index("-----BEGIN PRIVATE KEY-----")
    return base64.b64decode("".join(lines[start + 1 : lines.index("-----END PRIVATE KEY-----")]))


@pytest.mark.parametrize("name", ["ML-DSA-44-seed", "ML-DSA-44-both", "ML-DSA-65-seed", "ML-DSA-65-both"])
def test_keys_with_a_seed_are_taken(name: str, vectors: Path) -> None:
    parameter_set = MlDsaParameterSet(name.rpartition("-")[0])
    expand = find_expand_seed()
    if expand is None and name.endswith("both"):
        pytest.skip("PyCryptodome is not installed, so the expanded form is refused")
    key = parse(parameter_set, example(vectors, name), expand=expand)
    assert key.seed.reveal() == EXAMPLE_SEED
    seed_form = name.replace("both", "seed")
    assert encode(parameter_set, key) == example(vectors, seed_form)


@pytest.mark.parametrize("name", ["ML-DSA-44-expanded", "ML-DSA-65-expanded", "bad-ML-DSA-44-1", "bad-ML-DSA-44-2"])
def test_keys_without_a_seed_and_bad_ones_are_refused(name: str, vectors: Path) -> None:
    parameter_set = MlDsaParameterSet.ML_DSA_65 if "65" in name else MlDsaParameterSet.ML_DSA_44
    with pytest.raises(ImportRefused):
        parse(parameter_set, example(vectors, name), expand=find_expand_seed())


def test_a_key_encapsulation_key_is_no_signing_key(vectors: Path) -> None:
    for name in ("ML-KEM-768-seed", "ML-KEM-768-both", "ML-KEM-768-expanded", "bad-ML-KEM-512-1", "bad-ML-KEM-512-2"):
        for parameter_set in MlDsaParameterSet:
            with pytest.raises(ImportRefused):
                parse(parameter_set, example(vectors, name), expand=find_expand_seed())


def test_composite_keys_are_read_and_written_as_the_working_group_does(vectors: Path) -> None:
    tests = json.loads((vectors / "crypto/composite-mldsa/testvectors.json").read_text())["tests"]
    checked = 0
    for test in tests:
        algorithm = ALGORITHMS.get(test["tcId"])
        if algorithm is None:
            continue
        encoded = base64.b64decode(test["sk_pkcs8"])
        key = parse(algorithm, encoded, expand=None)
        assert encode(algorithm, key) == encoded
        ml_dsa = OpenSslEngine().load(algorithm.ml_dsa, key.seed.reveal()).public_key
        assert ml_dsa + classical_public_key(algorithm.curve, key.classical) == base64.b64decode(test["pk"])
        checked += 1
    assert checked == len(ALGORITHMS)
