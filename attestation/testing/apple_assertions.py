"""App Attest assertions of the catalogue: good ones, and every way to cheat."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import cbor2

from attestation.case import Case
from attestation.formats import apple_app_assertion
from attestation.reasons import Reason
from attestation.testing.apple import CLIENT_DATA, Bench, Maker, case_of
from attestation.testing.apple_device import new_p256
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.variant import Good, Variant


def good(now: datetime) -> Iterator[Good]:
    bench = Bench.create(now)
    yield Good("first", _assertion_case(bench, counter=1, last_counter=0))
    yield Good("later", _assertion_case(bench, counter=900, last_counter=17))
    yield Good("counter unknown", _assertion_case(bench, counter=5, last_counter=None))


def broken(now: datetime) -> Iterator[Variant]:
    bench = Bench.create(now)
    for name, (reason, make) in BROKEN_ASSERTIONS.items():
        yield Variant(name, reason, make(bench))


def _assertion_case(bench: Bench, *, counter: int, last_counter: int | None) -> Case:
    evidence = apple_app_assertion.evidence(bench.app.sign(CLIENT_DATA, counter=counter))
    return case_of(bench, evidence, key_spki=bench.app.spki, last_counter=last_counter)


def _raw_assertion(change: Callable[[dict[str, Any]], Any]) -> Maker:
    def make(bench: Bench) -> Case:
        content = cbor2.loads(bench.app.sign(CLIENT_DATA, counter=2))
        evidence = apple_app_assertion.evidence(cbor2.dumps(change(content)))
        return case_of(bench, evidence, key_spki=bench.app.spki, last_counter=1)

    return make


def _known(**known: Any) -> Maker:
    """A good assertion, and a relying party that knows something else."""

    def make(bench: Bench) -> Case:
        case = _assertion_case(bench, counter=2, last_counter=1)
        return replace(case, expectation=replace(case.expectation, **known))

    return make


def _another_app(bench: Bench) -> Case:
    case = _assertion_case(bench, counter=2, last_counter=1)
    evidence = apple_app_assertion.evidence(bench.app.changed(app_id="X.org.other").sign(CLIENT_DATA, counter=2))
    return replace(case, evidence=evidence)


BROKEN_ASSERTIONS: Final[dict[str, tuple[Reason, Maker]]] = {
    "no signature": (Reason.MALFORMED, _raw_assertion(lambda _: {"authenticatorData": b""})),
    "long data": (
        Reason.MALFORMED,
        _raw_assertion(lambda content: content | {"authenticatorData": content["authenticatorData"] + b"\x00"}),
    ),
    "another part": (
        Reason.MALFORMED,
        lambda bench: replace(_known()(bench), evidence=replace(_known()(bench).evidence, parts=())),
    ),
    "another client data": (Reason.BAD_SIGNATURE, _known(challenge=b"another client data")),
    "another key": (Reason.BAD_SIGNATURE, _known(key_spki=spki_of(new_p256()))),
    "no key": (Reason.KEY_MISMATCH, _known(key_spki=None)),
    "key of another kind": (Reason.UNSUPPORTED_ALGORITHM, _known(key_spki=spki_of(new_key(KeyKind.ML_DSA_65)))),
    "seen before": (Reason.COUNTER_NOT_GREATER, _known(last_counter=2)),
    "older": (Reason.COUNTER_NOT_GREATER, _known(last_counter=3)),
    "another app": (Reason.APP_ID_MISMATCH, _another_app),
}
