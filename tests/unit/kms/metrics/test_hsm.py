"""Signatures by algorithm, failures by code, and how the token is."""

import pytest
from prometheus_client import CollectorRegistry

from hallmark_composite import MLDSA65_ECDSA_P256_SHA512, EcCurve, MlDsaParameterSet
from hsm.breaker import CircuitState
from hsm.errors import HsmError, TokenUnavailable
from hsm.provider import (
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    HsmHealth,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
    SignRequest,
)
from hsm.slot_health import SlotHealth, SlotState
from hsm.testing import FakeKeyProvider
from kms.keys.algorithms import ALGORITHMS
from kms.metrics.hsm import HsmMetrics, algorithm_of


async def requests() -> list[SignRequest]:
    provider = FakeKeyProvider()
    await provider.start()
    composite = await provider.generate_composite(MLDSA65_ECDSA_P256_SHA512, key_binding=b"b")
    mldsa = await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=b"b")
    return [
        CompositeSignRequest(material=composite, digest=bytes(64), context=b"", key_binding=b"b"),
        MlDsaSignRequest(material=mldsa, message=b"m", context=b"", key_binding=b"b"),
        MlDsaMuSignRequest(material=mldsa, mu=bytes(64), key_binding=b"b"),
        EcdsaSignRequest(material=await provider.generate_ecdsa(EcCurve.P384), digest=bytes(48)),
        Ed25519SignRequest(material=await provider.generate_ed25519(), message=b"m"),
    ]


async def test_algorithms_are_named_as_everywhere() -> None:
    found = [algorithm_of(request) for request in await requests()]
    assert found == ["id-MLDSA65-ECDSA-P256-SHA512", "ML-DSA-44", "ML-DSA-44", "ECDSA-P384-SHA384", "Ed25519"]
    assert set(found) <= {algorithm.title for algorithm in ALGORITHMS.values()}


async def test_signatures_failures_and_what_waits() -> None:
    registry = CollectorRegistry()
    metrics, asked = HsmMetrics(registry), await requests()
    answers: list[bytes | HsmError] = [b"s", b"s", b"s", TokenUnavailable("gone"), b"s"]
    with metrics.signing(asked) as count:
        assert registry.get_sample_value("hallmark_hsm_queue_depth") == 5
        count(answers)
    with metrics.signing(asked[:1]) as count:
        count([b"s"])
    assert registry.get_sample_value("hallmark_hsm_queue_depth") == 0
    assert registry.get_sample_value("hallmark_signatures_total", {"algorithm": "ML-DSA-44"}) == 2
    composite = {"algorithm": "id-MLDSA65-ECDSA-P256-SHA512"}
    assert registry.get_sample_value("hallmark_signatures_total", composite) == 2
    assert registry.get_sample_value("hallmark_hsm_failures_total", {"code": "TOKEN_UNAVAILABLE"}) == 1
    assert registry.get_sample_value("hallmark_hsm_sign_seconds_count") == 2


async def test_what_is_refused_as_a_whole_failed_as_a_whole() -> None:
    registry = CollectorRegistry()
    metrics, asked = HsmMetrics(registry), await requests()
    with pytest.raises(TokenUnavailable), metrics.signing(asked):
        raise TokenUnavailable("gone")
    assert registry.get_sample_value("hallmark_hsm_failures_total", {"code": "TOKEN_UNAVAILABLE"}) == 5
    assert registry.get_sample_value("hallmark_hsm_queue_depth") == 0


def test_the_token_and_its_signers() -> None:
    registry = CollectorRegistry()
    slots = [
        SlotHealth(number=number, state=state, process_id=1, starts=starts, waiting=0, probe_ms=1.0, problem=None)
        for number, state, starts in ((0, SlotState.READY, 1), (1, SlotState.FAILED, 7))
    ]
    health = HsmHealth(workers_ready=1, workers=2, slowest_probe_ms=250.0, circuit=CircuitState.OPEN)
    HsmMetrics(registry).standing("hallmark", is_up=True, health=health, slots=slots)
    values = {
        (sample.name, sample.labels.get("slot")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.labels.get("token") == "hallmark"
    }
    assert values == {
        ("hallmark_hsm_up", None): 1,
        ("hallmark_hsm_circuit_open", None): 1,
        ("hallmark_hsm_probe_seconds", None): 0.25,
        ("hallmark_hsm_slot_up", "0"): 1,
        ("hallmark_hsm_slot_up", "1"): 0,
        ("hallmark_hsm_slot_starts", "0"): 1,
        ("hallmark_hsm_slot_starts", "1"): 7,
    }
