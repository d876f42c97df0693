from dataclasses import replace

import pytest

from hallmark_composite import MlDsaParameterSet
from hsm.breaker import CircuitState
from hsm.custody import KekFact
from hsm.doctor import NEEDED_MECHANISMS, Level, diagnose, worst
from hsm.errors import ERRORS_BY_CODE, CircuitOpen, PinIncorrect, TokenNotFound
from hsm.material import ProtectionLevel
from hsm.provider import EngineFact, HsmCapabilities, HsmHealth
from hsm.slot_health import SlotHealth, SlotState

CAPABILITIES = HsmCapabilities(
    provider="pkcs11",
    module="/usr/lib/softhsm/libsofthsm2.so",
    module_version="2.6",
    token_label="hallmark",
    token_serial="0123456789abcdef",
    token_model="SoftHSM v2",
    token_manufacturer="SoftHSM project",
    mechanisms=("AES_GCM", *NEEDED_MECHANISMS),
    engines=(EngineFact(name="liboqs", version="", signs_per_second=None, refused_because="no liboqs library"),),
    signing_engine="pycryptodome",
    verifying_engine="cryptography",
    classical_protection=ProtectionLevel.HSM,
    post_quantum_protection=ProtectionLevel.HSM_WRAPPED,
    native_parameter_sets=(),
    native_reason="the token lacks ML_DSA",
    workers=2,
)
SLOT = SlotHealth(number=0, state=SlotState.READY, process_id=7, starts=1, waiting=0, probe_ms=2.0, problem=None)
HEALTH = HsmHealth(workers_ready=2, workers=2, slowest_probe_ms=3.0)
KEK = KekFact(kek_id=bytes(16), generation=1, newest=True)


def find(check: str, **changes):
    facts = {"capabilities": CAPABILITIES, "health": HEALTH, "slots": [SLOT], "keks": [KEK]}
    [finding] = [item for item in diagnose(**(facts | changes)) if item.check == check]
    return finding


def test_a_sound_token_has_nothing_to_do() -> None:
    findings = diagnose(capabilities=CAPABILITIES, health=HEALTH, slots=[SLOT], keks=[KEK])
    assert worst(findings) is Level.NOTE  # sealed seeds and a missing engine are worth knowing
    assert [finding.advice for finding in findings if finding.advice] == []
    assert find("self-test").says == "2 of 2 signer processes signed just now, the slowest in 3 ms"
    assert "HSM_WRAPPED" in find("protection").says
    assert find("engine liboqs").says == "no liboqs library"


@pytest.mark.parametrize("error", ERRORS_BY_CODE.values(), ids=lambda error: error.__name__)
def test_a_token_that_does_not_start_is_a_problem_with_its_code(error) -> None:
    findings = diagnose(capabilities=None, health=error("why"), slots=[], keks=[])
    assert worst(findings) is Level.PROBLEM
    assert findings[0].says == f"{error.code}: why"


@pytest.mark.parametrize("error", [TokenNotFound("x"), PinIncorrect("x"), CircuitOpen("x")])
def test_what_an_operator_can_cure_comes_with_advice(error) -> None:
    assert find("self-test", health=error, capabilities=None).advice


def test_a_process_that_does_not_sign_is_a_warning_and_its_slot_a_problem() -> None:
    failed = replace(SLOT, number=1, state=SlotState.FAILED, problem="TOKEN_UNAVAILABLE: gone")
    changes = {"health": replace(HEALTH, workers_ready=1), "slots": [SLOT, failed]}
    assert find("self-test", **changes).level is Level.WARNING
    assert find("slot 0", **changes).level is Level.OK
    assert (find("slot 1", **changes).level, find("slot 1", **changes).says) == (
        Level.PROBLEM,
        "TOKEN_UNAVAILABLE: gone",
    )


def test_restarts_slowness_and_an_open_circuit_are_told() -> None:
    restarted = replace(SLOT, starts=3, problem="HSM_TIMEOUT: late")
    assert "started 3 times; before: HSM_TIMEOUT: late" in find("slot 0", slots=[restarted]).says
    assert find("slot 0", slots=[replace(SLOT, state=SlotState.STARTING)]).level is Level.WARNING
    assert find("latency", health=replace(HEALTH, slowest_probe_ms=900.0)).level is Level.WARNING
    assert find("circuit", health=replace(HEALTH, circuit=CircuitState.OPEN)).level is Level.PROBLEM


@pytest.mark.parametrize("missing", NEEDED_MECHANISMS)
def test_a_missing_mechanism_is_a_problem(missing: str) -> None:
    left = tuple(name for name in CAPABILITIES.mechanisms if name != missing)
    finding = find("mechanisms", capabilities=replace(CAPABILITIES, mechanisms=left))
    assert finding.level is Level.PROBLEM
    assert f"CKM_{missing}:" in finding.says


def test_native_keys_and_a_lone_engine_are_told_apart() -> None:
    native = replace(
        CAPABILITIES,
        post_quantum_protection=ProtectionLevel.HSM,
        native_parameter_sets=tuple(MlDsaParameterSet),
        verifying_engine="pycryptodome",
    )
    assert find("protection", capabilities=native).level is Level.OK
    assert find("engines", capabilities=native).level is Level.WARNING
    assert find("engines").level is Level.OK


def test_older_key_encryption_keys_ask_for_a_rewrap() -> None:
    old = replace(KEK, newest=False)
    newest = replace(KEK, kek_id=bytes(15) + b"\x01", generation=2)
    assert "rewrap" in find("key-encryption keys", keks=[old, newest]).advice
    assert find("key-encryption keys").level is Level.OK
