"""Every format's factory: good evidence is accepted, every way to cheat is refused with its own reason first."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache

import pytest

from attestation import FORMATS, Format, Reason, verdict_to_dict, verify_case
from attestation.testing import FACTORIES, Good, Variant

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
# The private keys of software roots are not carried here (test_verify); Rego is of no vendor (test_rego).
SAID_ELSEWHERE = {Reason.SOFTWARE_ROOT, Reason.POLICY_DENIED}


@cache
def made(maker: Callable[[datetime], Iterator[Good | Variant]]) -> dict[str, Good | Variant]:
    return {case.name: case for case in maker(NOW)}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for kind in ("good", "broken"):
        if kind in metafunc.fixturenames:
            found = [
                pytest.param(case, id=f"{form}-{case.name}")
                for form, factory in FACTORIES.items()
                for case in made(getattr(factory, kind)).values()
            ]
            metafunc.parametrize(kind, found)


def test_good_evidence_is_accepted(good: Good):
    verdict = verify_case(good.case)
    assert (verdict.authentic, verdict.appraised, verdict.findings) == (True, True, ())
    assert verdict_to_dict(verdict)["claims"]


def test_broken_evidence_is_refused_with_its_reason_first(broken: Variant):
    verdict = verify_case(broken.case)
    assert verdict.reasons[0] is broken.reason, verdict.findings
    assert not verdict.appraised
    assert verdict.authentic is not broken.reason.breaks_authenticity
    assert all(finding.detail for finding in verdict.findings)


def test_every_format_has_judge_and_factory():
    assert set(FORMATS) == set(Format) == set(FACTORIES)


def test_every_reason_has_a_variant():
    reasons = {case.reason for factory in FACTORIES.values() for case in made(factory.broken).values()}
    assert reasons == set(Reason) - SAID_ELSEWHERE
