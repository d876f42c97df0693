"""Metrics of the HSM: told of each signature by the key provider, asked about the token when a scraper comes."""

import contextlib
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from typing import Final, assert_never

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hallmark_composite import EcCurve
from hsm.breaker import CircuitState
from hsm.errors import HsmError
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

_ECDSA: Final = {EcCurve.P256: "ECDSA-P256-SHA256", EcCurve.P384: "ECDSA-P384-SHA384"}
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class HsmMetrics:
    """Of one key provider."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._signatures = Counter(
            "hallmark_signatures_total",
            "Signatures that were made and verified, by algorithm: callers' and the service's own.",
            ("algorithm",),
            registry=registry,
        )
        self._failures = Counter(
            "hallmark_hsm_failures_total", "Signatures that failed, by code.", ("code",), registry=registry
        )
        self._seconds = Histogram(
            "hallmark_hsm_sign_seconds",
            "From asking for signatures (one, or some together) to having them, waiting included.",
            buckets=SECONDS,
            registry=registry,
        )
        self._asked = 0
        depth = Gauge("hallmark_hsm_queue_depth", "Signatures that are asked for and not there yet.", registry=registry)
        depth.set_function(lambda: self._asked)
        self._up = Gauge("hallmark_hsm_up", "1: a real signature was just made.", ("token",), registry=registry)
        self._slot_up = Gauge(
            "hallmark_hsm_slot_up", "1: this signer process signs.", ("token", "slot"), registry=registry
        )
        self._slot_starts = Gauge(
            "hallmark_hsm_slot_starts",
            "How often this signer process was started; 1 for one that never failed.",
            ("token", "slot"),
            registry=registry,
        )
        self._circuit = Gauge(
            "hallmark_hsm_circuit_open",
            "1: the HSM failed several times in a row, calls are refused for the moment.",
            ("token",),
            registry=registry,
        )
        self._probe = Gauge(
            "hallmark_hsm_probe_seconds", "The slowest signer's last probe.", ("token",), registry=registry
        )

    @contextlib.contextmanager
    def signing(self, requests: Sequence[SignRequest]) -> Iterator[Callable[[Sequence[bytes | HsmError]], None]]:
        """Around asking for them. What it gives takes the answers."""
        began = time.perf_counter()
        self._asked += len(requests)
        try:
            yield lambda answers: self._count(requests, answers)
        except HsmError as error:
            self._failures.labels(error.code).inc(len(requests))
            raise
        finally:
            self._asked -= len(requests)
            self._seconds.observe(time.perf_counter() - began)

    def standing(self, token: str, *, is_up: bool, health: HsmHealth | None, slots: Sequence[SlotHealth]) -> None:
        """How the token with this label is now."""
        self._up.labels(token).set(is_up)
        self._circuit.labels(token).set(health is not None and health.circuit is not CircuitState.CLOSED)
        if health is not None:
            self._probe.labels(token).set(health.slowest_probe_ms / 1000)
        for slot in slots:
            self._slot_up.labels(token, slot.number).set(slot.state is SlotState.READY)
            self._slot_starts.labels(token, slot.number).set(slot.starts)

    def _count(self, requests: Sequence[SignRequest], answers: Sequence[bytes | HsmError]) -> None:
        if len(requests) == 1:  # the usual case
            self._count_one(requests[0], answers[0])
            return
        made: Counts[str] = Counts()
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, HsmError):
                self._failures.labels(answer.code).inc()
            else:
                made[algorithm_of(request)] += 1
        for algorithm, count in made.items():
            self._signatures.labels(algorithm).inc(count)

    def _count_one(self, request: SignRequest, answer: bytes | HsmError) -> None:
        if isinstance(answer, HsmError):
            self._failures.labels(answer.code).inc()
        else:
            self._signatures.labels(algorithm_of(request)).inc()


def algorithm_of(request: SignRequest) -> str:
    """The title of kms.keys.algorithms."""
    match request:
        case CompositeSignRequest():
            return request.material.algorithm.name
        case MlDsaSignRequest() | MlDsaMuSignRequest():
            return request.material.parameter_set.value
        case EcdsaSignRequest():
            return _ECDSA[request.material.curve]
        case Ed25519SignRequest():
            return "Ed25519"
        case _:
            assert_never(request)
