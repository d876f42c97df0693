"""One suite for every post-quantum engine; liboqs is skipped where no library is installed."""

import os
from itertools import product

import pytest

from hallmark_composite import MlDsaParameterSet
from hsm.engine import BadMlDsaSignature, EngineFault, EngineUnavailable, PostQuantumEngine
from hsm.engine_selection import message_mu
from hsm.engines.openssl import OpenSslEngine
from hsm.engines.pycryptodome import PyCryptodomeEngine

SEED, MESSAGE, CONTEXT = bytes(range(1, 33)), b"message", b"context"
NAMES = ["cryptography", "pycryptodome", "liboqs"]


def make(name: str) -> PostQuantumEngine:
    match name:
        case "cryptography":
            return OpenSslEngine()
        case "pycryptodome":
            return PyCryptodomeEngine()
        case _:
            from hsm.engines.liboqs import LibOqsEngine

            try:
                return LibOqsEngine(os.environ)
            except EngineUnavailable as error:
                pytest.skip(str(error))


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> PostQuantumEngine:
    return make(request.param)


@pytest.fixture(params=MlDsaParameterSet, ids=lambda item: item.value)
def parameter_set(request: pytest.FixtureRequest) -> MlDsaParameterSet:
    return request.param


def test_it_says_what_it_is(engine) -> None:
    assert engine.name in NAMES
    assert engine.version[0].isdigit()
    assert engine.can_sign


def test_sizes_are_those_of_fips_204(engine, parameter_set) -> None:
    key = engine.load(parameter_set, SEED)
    assert len(key.public_key) == parameter_set.public_key_size
    assert len(key.sign(MESSAGE, CONTEXT)) == parameter_set.signature_size


def test_signatures_are_hedged(engine, parameter_set) -> None:
    key = engine.load(parameter_set, SEED)
    assert key.sign(MESSAGE, CONTEXT) != key.sign(MESSAGE, CONTEXT)


@pytest.mark.parametrize(("signer", "verifier"), list(product(NAMES, NAMES)))
@pytest.mark.parametrize("context", [b"", b"c", bytes(255)], ids=lambda context: str(len(context)))
def test_engines_verify_each_other(signer: str, verifier: str, parameter_set, context: bytes) -> None:
    key, other = make(signer).load(parameter_set, SEED), make(verifier)
    assert other.load(parameter_set, SEED).public_key == key.public_key
    other.verify(
        parameter_set,
        public_key=key.public_key,
        signature=key.sign(MESSAGE, context),
        message=MESSAGE,
        context=context,
    )


def test_anything_else_is_a_bad_signature(engine, parameter_set) -> None:
    key, other_key = engine.load(parameter_set, SEED), engine.load(parameter_set, bytes(32))
    right = {
        "public_key": key.public_key,
        "signature": key.sign(MESSAGE, CONTEXT),
        "message": MESSAGE,
        "context": CONTEXT,
    }
    engine.verify(parameter_set, **right)
    flipped = bytes((right["signature"][0] ^ 1,)) + right["signature"][1:]
    for field, wrong in (
        ("public_key", other_key.public_key),
        ("public_key", key.public_key[:-1]),
        ("public_key", key.public_key + b"\x00"),
        ("public_key", b""),
        ("signature", flipped),
        ("signature", right["signature"][:-1]),
        ("signature", right["signature"] + b"\x00"),
        ("signature", b""),
        ("message", MESSAGE + b"\x00"),
        ("context", b""),
        ("context", CONTEXT + b"\x00"),
        ("context", bytes(256)),
    ):
        with pytest.raises(BadMlDsaSignature):
            engine.verify(parameter_set, **(right | {field: wrong}))


@pytest.mark.parametrize(("signer", "verifier"), list(product(NAMES, NAMES)))
def test_a_signature_from_mu_is_one_over_the_message(signer: str, verifier: str, parameter_set) -> None:
    making, checking = make(signer), make(verifier)
    key = making.load(parameter_set, SEED)
    mu = message_mu(key.public_key, MESSAGE, CONTEXT)
    if not making.supports_mu:
        with pytest.raises(EngineFault):
            key.sign_mu(mu)
        return
    facts = {"public_key": key.public_key, "signature": key.sign_mu(mu)}
    checking.verify(parameter_set, **facts, message=MESSAGE, context=CONTEXT)
    with pytest.raises(BadMlDsaSignature):
        checking.verify(parameter_set, **facts, message=mu, context=b"")
    if checking.supports_mu:
        checking.verify_mu(parameter_set, **facts, mu=mu)


def test_another_mu_is_a_bad_signature(engine, parameter_set) -> None:
    key = OpenSslEngine().load(parameter_set, SEED)
    mu = message_mu(key.public_key, MESSAGE, CONTEXT)
    signature = key.sign_mu(mu)
    for wrong in (mu[::-1], mu[:-1], mu + bytes(1), b""):
        with pytest.raises(BadMlDsaSignature):
            engine.verify_mu(parameter_set, public_key=key.public_key, signature=signature, mu=wrong)
    with pytest.raises(BadMlDsaSignature):
        engine.verify_mu(parameter_set, public_key=key.public_key[:-1], signature=signature, mu=mu)


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_mu_of_another_size_is_refused(engine, parameter_set, size: int) -> None:
    with pytest.raises(EngineFault):
        engine.load(parameter_set, SEED).sign_mu(bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_size_is_refused(engine, parameter_set, size: int) -> None:
    with pytest.raises(EngineFault):
        engine.load(parameter_set, bytes(size))
