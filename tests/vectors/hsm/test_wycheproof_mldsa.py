"""Wycheproof ML-DSA files against every engine that is installed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hallmark_composite import MlDsaParameterSet
from hsm.engine import BadMlDsaSignature, EngineFault, PostQuantumEngine
from hsm.engines.discovery import discover


@pytest.fixture(params=["cryptography", "pycryptodome", "liboqs"])
def engine(request: pytest.FixtureRequest) -> PostQuantumEngine:
    engines, unavailable = discover(os.environ)
    for found in engines:
        if found.name == request.param:
            return found
    pytest.skip(next(fact.refused_because or "" for fact in unavailable if fact.name == request.param))


@pytest.fixture(params=MlDsaParameterSet, ids=lambda item: item.value)
def parameter_set(request: pytest.FixtureRequest) -> MlDsaParameterSet:
    return request.param


def groups(vectors: Path, parameter_set: MlDsaParameterSet, kind: str) -> list[dict[str, Any]]:
    name = f"mldsa_{parameter_set.value.removeprefix('ML-DSA-')}_{kind}_test.json"
    return json.loads((vectors / "crypto/wycheproof" / name).read_text())["testGroups"]


def accepts(engine: PostQuantumEngine, parameter_set, public_key: bytes, test: dict[str, Any]) -> bool:
    try:
        engine.verify(
            parameter_set,
            public_key=public_key,
            signature=bytes.fromhex(test["sig"]),
            message=bytes.fromhex(test["msg"]),
            context=bytes.fromhex(test.get("ctx", "")),
        )
    except BadMlDsaSignature:
        return False
    return True


def test_verification_agrees(engine, parameter_set, vectors: Path) -> None:
    if not engine.may_check_releases:
        pytest.skip(f"the verifier of {engine.name} is known to be inexact and never decides about a release")
    tests = [
        (
            test["tcId"],
            accepts(engine, parameter_set, bytes.fromhex(group["publicKey"]), test),
            test["result"] == "valid",
        )
        for group in groups(vectors, parameter_set, "verify")
        for test in group["tests"]
    ]
    assert len(tests) > 50
    assert [number for number, got, wanted in tests if got != wanted] == []


def test_seeds_give_the_keys_and_signatures_verify(engine, parameter_set, vectors: Path) -> None:
    """Engines sign hedged only, so the deterministic signatures of the file are verified, and our own beside them."""
    checked = 0
    for group in groups(vectors, parameter_set, "sign_seed"):
        seed = bytes.fromhex(group["privateSeed"])
        if len(seed) != 32:
            with pytest.raises(EngineFault):
                engine.load(parameter_set, seed)
            continue
        key = engine.load(parameter_set, seed)
        assert key.public_key == bytes.fromhex(group["publicKey"])
        for test in group["tests"]:
            if test["result"] != "valid" or "msg" not in test:
                continue
            message, context = bytes.fromhex(test["msg"]), bytes.fromhex(test.get("ctx", ""))
            assert accepts(engine, parameter_set, key.public_key, test)
            engine.verify(
                parameter_set,
                public_key=key.public_key,
                signature=key.sign(message, context),
                message=message,
                context=context,
            )
            checked += 1
    assert checked > 20
