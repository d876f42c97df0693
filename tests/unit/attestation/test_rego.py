"""Rego as one more condition. What needs the evaluator is skipped where regopy is not installed."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from attestation import Format, Reason, rego, verify_case
from attestation.case import Case
from attestation.policy_rego import MODULE_BYTES_MAX, RegoPolicy, problems_of
from attestation.testing import FACTORIES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HEAD = "package hallmark\nimport rego.v1\ndefault allow := false\n"
needs_regopy = pytest.mark.skipif(not rego.is_installed(), reason="regopy, the extra `rego`, is not installed")


def case_with(module: str) -> Case:
    case = next(iter(FACTORIES[Format.ANDROID_KEY].good(NOW))).case
    return replace(case, policy=replace(case.policy, rego=RegoPolicy(module)))


@needs_regopy
def test_genuine_evidence_passes_when_the_module_allows_it() -> None:
    module = HEAD + 'allow if { input.claims.security_level in {"TEE", "STRONGBOX"}; input.format == "android-key" }'
    assert verify_case(case_with(module)).appraised


@needs_regopy
@pytest.mark.parametrize(
    "rule",
    ["allow if input.claims.versions.os_patch_level > 999999", "", "allow := 1 if true", 'allow := "true" if true'],
    ids=["not so", "undefined", "a number", "a text"],
)
def test_what_is_not_exactly_true_refuses(rule: str) -> None:
    verdict = verify_case(case_with("package hallmark\nimport rego.v1\n" + rule))
    assert (verdict.authentic, verdict.appraised, verdict.reasons) == (True, False, (Reason.POLICY_DENIED,))


@needs_regopy
def test_what_identifies_a_device_is_not_shown_to_it() -> None:
    module = HEAD + "allow if not input.claims.certificate_serials"
    assert verify_case(case_with(module)).appraised


@needs_regopy
def test_forged_evidence_is_not_asked_about() -> None:
    variants = FACTORIES[Format.ANDROID_KEY].broken(NOW)
    forged = next(each.case for each in variants if each.reason is Reason.CHALLENGE_MISMATCH)
    verdict = verify_case(replace(forged, policy=replace(forged.policy, rego=RegoPolicy(HEAD))))
    assert verdict.reasons == (Reason.CHALLENGE_MISMATCH,)


@needs_regopy
def test_a_module_that_can_not_be_compiled() -> None:
    (problem,) = rego.unusable("package hallmark\nimport rego.v1\nallow if {")
    assert problem.startswith("the module can not be compiled: ")
    assert rego.unusable(HEAD) == ()
    assert verify_case(case_with("package hallmark\nimport rego.v1\nallow if {")).reasons == (Reason.POLICY_DENIED,)


@needs_regopy
def test_an_evaluation_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego, "TIME_MAX_SECONDS", 0.05)
    digits = ", ".join(map(str, range(60)))
    loops = "; ".join(f"some v{n} in [{digits}]" for n in range(3))
    module = HEAD + f"allow if {{ {loops}; v0 + v1 + v2 > 1000 }}"
    assert rego.unusable(module) == ()
    begin = time.monotonic()
    assert verify_case(case_with(module)).reasons == (Reason.POLICY_DENIED,)
    assert time.monotonic() - begin < 1, "refused long before it has ended"
    with rego._one_at_a_time:  # leave nothing running behind
        pass
    monkeypatch.undo()
    assert verify_case(case_with(HEAD + "allow if true")).appraised


def test_without_the_library_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rego, "is_installed", lambda: False)
    verdict = verify_case(case_with(HEAD + "allow if true"))
    assert verdict.reasons == (Reason.POLICY_DENIED,)
    assert rego.NOT_INSTALLED in verdict.findings[0].detail
    assert rego.unusable(HEAD) == (rego.NOT_INSTALLED,)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("allow if time.now_ns() > 0", "may not call time.now_ns"),
        ('allow if rand.intn("x", 2) == 1', "may not call rand.intn"),
        ("allow if http.send({})", "may not call http.send"),
        ("allow if count(numbers.range(1, 1000000)) > 1", "may not call numbers.range"),
        ('allow if time["now_ns"]() > 0', "nor call what it computes"),
        ("allow if count([]) == 1 with count as x", "nor call what it computes"),
    ],
)
def test_what_a_module_may_not_do(code: str, problem: str) -> None:
    assert any(problem in found for found in problems_of(HEAD + code))


def test_what_a_module_may_do() -> None:
    code = """
# time.now_ns() in a comment, "rand.intn()" in a text
newer(version) if version >= 202601
allow if { newer(input.claims.versions.os_patch_level); not startswith("http.send(", "x"); (1 + 2) == 3 }
"""
    assert problems_of(HEAD + code) == ()


def test_bounds() -> None:
    assert problems_of(HEAD + "#" * MODULE_BYTES_MAX) == (f"the module may have {MODULE_BYTES_MAX} bytes",)
    assert "package hallmark" in problems_of("package hallmark_other")[0]
