"""Which engine signs and which verifies: known-answer tests, a short race, the fastest that passes signs.

The verifier is the fastest passing engine other than the signer, so that one library's fault cannot approve itself; an
engine whose verifier is known to be inexact never is (`may_check_releases`).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hallmark_composite import MlDsaParameterSet

from .engine import BadMlDsaSignature, EngineFault, PostQuantumEngine
from .errors import SetupError, UnsupportedAlgorithm
from .provider import EngineFact

Clock = Callable[[], float]
"""Seconds, monotonic (time.perf_counter)."""

KNOWN_SEED: Final = bytes(range(32))
KNOWN_PUBLIC_KEYS: Final = {
    MlDsaParameterSet.ML_DSA_44: "9f107644c1084526af3bc8098680b05499a2325a644e388fb4f970e058d19d46",
    MlDsaParameterSet.ML_DSA_65: "d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9",
    MlDsaParameterSet.ML_DSA_87: "91dc389cfaa01470b7f66eee45a4ae9026d154817c754dfe22298b3fa241ffcd",
}
"""SHA-256 of the public key of KNOWN_SEED (FIPS 204, algorithm 6); two independent engines agree on each."""

_MESSAGE: Final = b"hallmark engine self-test"
_CONTEXT: Final = b"hallmark"
RACE_ROUNDS: Final = 3
RACE_SIGNATURES: Final = 8
"""Signing time is random (a rejection loop), so each engine gets 3 interleaved rounds of 8; about 50 ms in all."""


@dataclass(frozen=True, slots=True)
class EngineSelection:
    """`mu_signer` and `mu_verifier` are `signer` and `verifier` where those can work from an external mu."""

    signer: PostQuantumEngine
    verifier: PostQuantumEngine
    mu_signer: PostQuantumEngine
    mu_verifier: PostQuantumEngine
    facts: tuple[EngineFact, ...]


def select_engines(
    engines: Sequence[PostQuantumEngine],
    *,
    clock: Clock,
    preferred: str | None = None,
    raced: str | None = None,
    unavailable: Sequence[EngineFact] = (),
) -> EngineSelection:
    """Tests every engine, races those that can sign, and chooses.

    `engines`: the one trusted most first. `preferred`: the operator's choice of signer, no race. `raced`: the winner of
    an earlier race in another process, taken without another if it passes. `unavailable`: engines that could not be
    loaded, for the report.

    Raises SetupError when no engine passes, UnsupportedAlgorithm when the preferred one does not.
    """
    passed, facts = _examine_all(engines)
    signers = [engine for engine in passed if engine.can_sign]
    if not signers:
        reasons = "; ".join(f"{fact.name}: {fact.refused_because}" for fact in facts.values())
        raise SetupError(f"no post-quantum engine passes its self-test ({reasons}); reinstall the dependencies")
    if preferred is not None and preferred not in [engine.name for engine in signers]:
        raise UnsupportedAlgorithm(f"the engine {preferred!r} is not installed or failed its self-test")
    rates = _rank(signers, preferred or raced, clock)
    facts |= {name: replace(facts[name], signs_per_second=rate) for name, rate in rates.items()}
    checkers = [engine for engine in passed if engine.may_check_releases]
    if not checkers:
        raise SetupError("no engine that passes its self-test may check signatures; reinstall the dependencies")
    signer = signers[0]
    others = [engine for engine in checkers if engine is not signer]
    verifier = max(others, key=lambda engine: _verify_rate(engine, signer, clock), default=signer)
    mu_signer, mu_verifier = _with_mu(signers, checkers, verifier)
    return EngineSelection(signer, verifier, mu_signer, mu_verifier, (*facts.values(), *unavailable))


def _examine_all(
    engines: Sequence[PostQuantumEngine],
) -> tuple[list[PostQuantumEngine], dict[str, EngineFact]]:
    """(those that pass, in order, a fact about each)."""
    passed: list[PostQuantumEngine] = []
    facts: dict[str, EngineFact] = {}
    for engine in engines:
        refused_because = _examine(engine, passed)
        facts[engine.name] = _fact(engine, refused_because)
        if refused_because is None:
            passed.append(engine)
    return passed, facts


def _with_mu(
    signers: Sequence[PostQuantumEngine], checkers: Sequence[PostQuantumEngine], verifier: PostQuantumEngine
) -> tuple[PostQuantumEngine, PostQuantumEngine]:
    """The best signer that takes a mu, and a verifier that does, another engine if there is one. Raises SetupError."""
    signer = next((engine for engine in signers if engine.supports_mu), None)
    able = [engine for engine in (verifier, *checkers) if engine.supports_mu]
    if signer is None or not able:
        raise SetupError("no engine that passes its self-test takes an external mu; reinstall the dependencies")
    return signer, next((engine for engine in able if engine is not signer), able[0])


def _rank(signers: list[PostQuantumEngine], chosen: str | None, clock: Clock) -> dict[str, float]:
    """Sorts the signer to use to the front; gives the rates if that took a race."""
    if chosen in [engine.name for engine in signers]:
        signers.sort(key=lambda engine: engine.name != chosen)
        return {}
    rates = _race(signers, clock)
    signers.sort(key=lambda engine: rates[engine.name], reverse=True)
    return rates


def _fact(engine: PostQuantumEngine, refused_because: str | None) -> EngineFact:
    return EngineFact(name=engine.name, version=engine.version, signs_per_second=None, refused_because=refused_because)


def _examine(engine: PostQuantumEngine, accepted: Sequence[PostQuantumEngine]) -> str | None:
    """Why the engine is refused, or None. Known answers, and signatures exchanged with every engine accepted before it.

    When two engines disagree the later one is refused: the list starts with the one that is trusted most.
    """
    try:
        for parameter_set in MlDsaParameterSet:
            if engine.can_sign:
                _check_known_key(engine, parameter_set)
                for verifier in (engine, *accepted):
                    _check_verifies(verifier, engine, parameter_set)
                    if engine.supports_mu and verifier.supports_mu:
                        _check_verifies_mu(verifier, engine, parameter_set)
            for signer in accepted:
                if signer.can_sign:
                    _check_verifies(engine, signer, parameter_set)
                    if engine.supports_mu and signer.supports_mu:
                        _check_verifies_mu(engine, signer, parameter_set)
    except (EngineFault, BadMlDsaSignature) as error:
        return str(error)
    except Exception as error:  # an engine is foreign code: whatever it raises, it is not used
        return f"its self-test raised {type(error).__name__}"
    return None


def _check_known_key(engine: PostQuantumEngine, parameter_set: MlDsaParameterSet) -> None:
    public_key = engine.load(parameter_set, KNOWN_SEED).public_key
    if hashlib.sha256(public_key).hexdigest() != KNOWN_PUBLIC_KEYS[parameter_set]:
        raise EngineFault(f"wrong {parameter_set.value} public key for the known seed")


def _check_verifies(verifier: PostQuantumEngine, signer: PostQuantumEngine, parameter_set: MlDsaParameterSet) -> None:
    key = signer.load(parameter_set, KNOWN_SEED)
    signature = key.sign(_MESSAGE, _CONTEXT)
    verifier.verify(parameter_set, public_key=key.public_key, signature=signature, message=_MESSAGE, context=_CONTEXT)
    changed = bytes((signature[0] ^ 1,)) + signature[1:]
    for bad_signature, message, context in (
        (changed, _MESSAGE, _CONTEXT),
        (signature, _MESSAGE + b".", _CONTEXT),
        (signature, _MESSAGE, b""),  # a stack that loses the context signs and verifies without it
    ):
        try:
            verifier.verify(
                parameter_set,
                public_key=key.public_key,
                signature=bad_signature,
                message=message,
                context=context,
            )
        except BadMlDsaSignature:
            continue
        raise EngineFault(f"accepts a wrong {parameter_set.value} signature")


def _check_verifies_mu(
    verifier: PostQuantumEngine, signer: PostQuantumEngine, parameter_set: MlDsaParameterSet
) -> None:
    """A signature from mu is one over the message: checked as such, and from another mu refused."""
    key = signer.load(parameter_set, KNOWN_SEED)
    mu = message_mu(key.public_key, _MESSAGE, _CONTEXT)
    signature = key.sign_mu(mu)
    verifier.verify(parameter_set, public_key=key.public_key, signature=signature, message=_MESSAGE, context=_CONTEXT)
    verifier.verify_mu(parameter_set, public_key=key.public_key, signature=signature, mu=mu)
    try:
        verifier.verify_mu(parameter_set, public_key=key.public_key, signature=signature, mu=mu[::-1])
    except BadMlDsaSignature:
        return
    raise EngineFault(f"accepts a wrong {parameter_set.value} signature of a mu")


def message_mu(public_key: bytes, message: bytes, context: bytes) -> bytes:
    """FIPS 204, algorithms 2 and 7: H(H(pk, 64) || 0 || |ctx| || ctx || M, 64) with H = SHAKE256; 64 bytes."""
    key_hash = hashlib.shake_256(public_key).digest(64)
    return hashlib.shake_256(key_hash + bytes((0, len(context))) + context + message).digest(64)


def _race(engines: Sequence[PostQuantumEngine], clock: Clock) -> dict[str, float]:
    """ML-DSA-65 signatures per second, seed expansion included as in service: the best of the rounds."""
    rates = dict.fromkeys((engine.name for engine in engines), 0.0)
    for _ in range(RACE_ROUNDS):
        for engine in engines:
            started = clock()
            for _ in range(RACE_SIGNATURES):
                engine.load(MlDsaParameterSet.ML_DSA_65, KNOWN_SEED).sign(_MESSAGE, _CONTEXT)
            rates[engine.name] = max(rates[engine.name], RACE_SIGNATURES / max(clock() - started, 1e-9))
    return rates


def _verify_rate(verifier: PostQuantumEngine, signer: PostQuantumEngine, clock: Clock) -> float:
    """ML-DSA-65 verifications per second, the best of the rounds."""
    key = signer.load(MlDsaParameterSet.ML_DSA_65, KNOWN_SEED)
    signature = key.sign(_MESSAGE, _CONTEXT)
    best = 0.0
    for _ in range(RACE_ROUNDS):
        started = clock()
        for _ in range(RACE_SIGNATURES):
            verifier.verify(
                MlDsaParameterSet.ML_DSA_65,
                public_key=key.public_key,
                signature=signature,
                message=_MESSAGE,
                context=_CONTEXT,
            )
        best = max(best, RACE_SIGNATURES / max(clock() - started, 1e-9))
    return best
