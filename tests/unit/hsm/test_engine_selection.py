"""Selection among real engines and engines with one defect each."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from hallmark_composite import MlDsaParameterSet
from hsm.engine import BadMlDsaSignature
from hsm.engine_selection import message_mu, select_engines
from hsm.engines.openssl import OpenSslEngine
from hsm.engines.pycryptodome import PyCryptodomeEngine
from hsm.errors import SetupError, UnsupportedAlgorithm
from hsm.provider import EngineFact


class _Wrapped:
    """A real engine with a name of its own; subclasses break one thing."""

    can_sign = True
    supports_mu = True
    may_check_releases = True
    version = "1"

    def __init__(self, name: str = "wrapped") -> None:
        self.name = name
        self._engine = OpenSslEngine()

    def load(self, parameter_set, seed):
        return self._engine.load(parameter_set, seed)

    def verify(self, parameter_set, **arguments) -> None:
        self._engine.verify(parameter_set, **arguments)

    def verify_mu(self, parameter_set, **arguments) -> None:
        self._engine.verify_mu(parameter_set, **arguments)


class WrongKeys(_Wrapped):
    def load(self, parameter_set, seed):
        return super().load(parameter_set, seed[::-1])


class LosesTheContextSigning(_Wrapped):
    def load(self, parameter_set, seed):
        return _LostContext(super().load(parameter_set, seed))


class _LostContext:
    def __init__(self, key) -> None:
        self._key, self.public_key = key, key.public_key

    def sign(self, message: bytes, context: bytes) -> bytes:
        return self._key.sign(message, b"")

    def sign_mu(self, mu: bytes) -> bytes:
        return self._key.sign_mu(mu)


class LosesTheContextEverywhere(LosesTheContextSigning):
    def verify(self, parameter_set, **arguments) -> None:
        super().verify(parameter_set, **(arguments | {"context": b""}))


class AcceptsEverything(_Wrapped):
    def verify(self, parameter_set, **arguments) -> None:
        return


class AcceptsNothing(_Wrapped):
    def verify(self, parameter_set, **arguments) -> None:
        raise BadMlDsaSignature("no")


class WrongMu(_Wrapped):
    def load(self, parameter_set, seed):
        return _HashesMuAgain(super().load(parameter_set, seed))


class _HashesMuAgain:
    def __init__(self, key) -> None:
        self._key, self.public_key, self.sign = key, key.public_key, key.sign

    def sign_mu(self, mu: bytes) -> bytes:
        return self._key.sign(mu, b"")


class AcceptsEveryMu(_Wrapped):
    def verify_mu(self, parameter_set, **arguments) -> None:
        return


class WithoutMu(_Wrapped):
    supports_mu = False

    def verify_mu(self, parameter_set, **arguments) -> None:
        raise AssertionError("asked for a mu")


class Crashes(_Wrapped):
    def load(self, parameter_set, seed):
        raise ZeroDivisionError


class OnlyVerifies(_Wrapped):
    can_sign = False

    def load(self, parameter_set, seed):
        raise AssertionError("asked to sign")


class Inexact(_Wrapped):
    may_check_releases = False


class Slow(_Wrapped):
    def load(self, parameter_set, seed):
        if parameter_set is MlDsaParameterSet.ML_DSA_65:
            time.sleep(0.005)
        return super().load(parameter_set, seed)


def facts(selection) -> dict[str, EngineFact]:
    return {fact.name: fact for fact in selection.facts}


def test_the_fastest_signs_and_another_verifies() -> None:
    selection = select_engines([OpenSslEngine(), Slow("slow")], clock=time.perf_counter)
    assert (selection.signer.name, selection.verifier.name) == ("cryptography", "slow")
    rates = {name: fact.signs_per_second for name, fact in facts(selection).items()}
    assert rates["cryptography"] > rates["slow"] > 0


def test_the_installed_engines_pass() -> None:
    selection = select_engines([OpenSslEngine(), PyCryptodomeEngine()], clock=time.perf_counter)
    assert {selection.signer.name, selection.verifier.name} == {"cryptography", "pycryptodome"}
    assert all(fact.refused_because is None for fact in selection.facts)


@pytest.mark.parametrize(
    "defect",
    [
        WrongKeys,
        LosesTheContextSigning,
        LosesTheContextEverywhere,
        AcceptsEverything,
        AcceptsNothing,
        WrongMu,
        AcceptsEveryMu,
        Crashes,
    ],
)
def test_a_defective_engine_is_refused_and_reported(defect) -> None:
    selection = select_engines([OpenSslEngine(), defect("broken"), PyCryptodomeEngine()], clock=time.perf_counter)
    assert "broken" not in {selection.signer.name, selection.verifier.name}
    assert facts(selection)["broken"].refused_because
    assert facts(selection)["broken"].signs_per_second is None
    assert facts(selection)["pycryptodome"].refused_because is None


def test_an_engine_alone_verifies_itself() -> None:
    selection = select_engines([OpenSslEngine()], clock=time.perf_counter)
    assert selection.signer is selection.verifier


def test_a_verify_only_engine_verifies() -> None:
    selection = select_engines([OpenSslEngine(), OnlyVerifies("second")], clock=time.perf_counter)
    assert (selection.signer.name, selection.verifier.name) == ("cryptography", "second")


def test_an_inexact_verifier_never_checks_releases() -> None:
    selection = select_engines([OpenSslEngine(), Inexact("inexact")], clock=time.perf_counter, preferred="cryptography")
    assert selection.verifier.name == "cryptography"
    selection = select_engines([OpenSslEngine(), Inexact("inexact")], clock=time.perf_counter, preferred="inexact")
    assert (selection.signer.name, selection.verifier.name) == ("inexact", "cryptography")
    with pytest.raises(SetupError, match="check signatures"):
        select_engines([Inexact("inexact")], clock=time.perf_counter)


def test_an_engine_without_mu_signs_messages_and_others_sign_mu() -> None:
    engines = [OpenSslEngine(), WithoutMu("fast"), PyCryptodomeEngine()]
    selection = select_engines(engines, clock=time.perf_counter, preferred="fast")
    assert selection.signer.name == "fast"
    assert {selection.mu_signer.name, selection.mu_verifier.name} == {"cryptography", "pycryptodome"}
    alone = select_engines([OpenSslEngine(), WithoutMu("fast")], clock=time.perf_counter, preferred="fast")
    assert alone.mu_signer is alone.mu_verifier
    with pytest.raises(SetupError, match="external mu"):
        select_engines([WithoutMu("fast")], clock=time.perf_counter)


def test_the_known_mu_is_that_of_fips_204() -> None:
    """The same bytes as the streaming hasher of an independent implementation."""
    key = mldsa.MLDSA65PrivateKey.from_seed_bytes(bytes(32)).public_key()
    for context in (b"", b"context", bytes(255)):
        hasher = mldsa.MLDSAMuHasher(key, context)
        hasher.update(b"message")
        assert message_mu(key.public_bytes_raw(), b"message", context) == hasher.finalize()


def test_no_engine_at_all_is_a_setup_error() -> None:
    with pytest.raises(SetupError, match="ZeroDivisionError"):
        select_engines([Crashes("broken")], clock=time.perf_counter)


def test_the_operators_choice_signs_without_a_race() -> None:
    selection = select_engines([OpenSslEngine(), Slow("slow")], clock=time.perf_counter, preferred="slow")
    assert (selection.signer.name, selection.verifier.name) == ("slow", "cryptography")
    assert all(fact.signs_per_second is None for fact in selection.facts)


def test_a_choice_that_cannot_sign_is_an_error() -> None:
    for name in ("broken", "missing"):
        with pytest.raises(UnsupportedAlgorithm, match=name):
            select_engines([OpenSslEngine(), WrongKeys("broken")], clock=time.perf_counter, preferred=name)


def test_an_earlier_winner_is_taken_if_it_still_passes() -> None:
    engines = [OpenSslEngine(), Slow("slow"), WrongKeys("broken")]
    assert select_engines(engines, clock=time.perf_counter, raced="slow").signer.name == "slow"
    assert select_engines(engines, clock=time.perf_counter, raced="broken").signer.name == "cryptography"


def test_engines_that_could_not_be_loaded_are_in_the_report() -> None:
    missing = EngineFact(name="liboqs", version="", signs_per_second=None, refused_because="no library")
    selection = select_engines([OpenSslEngine()], clock=time.perf_counter, unavailable=[missing])
    assert missing in selection.facts
