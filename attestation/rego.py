"""Evaluates the Rego module of a policy with regopy (MIT; rego-cpp), when it is installed.

Bounds: the module by attestation.policy_rego, the input by the evidence it comes from, the time by TIME_MAX_SECONDS. An
evaluation that takes longer refuses; so does each further one until it has ended, because it can not be broken off.
"""

import importlib
import importlib.util
import json
import threading
from functools import lru_cache
from typing import Any, Final

from attestation.case import Case
from attestation.model import Finding, Judgement
from attestation.policy_rego import problems_of
from attestation.reasons import Reason, authenticity
from attestation.report import claims_to_dict

TIME_MAX_SECONDS: Final = 1.0
NOT_INSTALLED: Final = "Rego modules need the optional library regopy (the extra `rego`), which is not installed"
_QUERY: Final = "data.hallmark.allow"
_one_at_a_time: Final = threading.Lock()


def is_installed() -> bool:
    return importlib.util.find_spec("regopy") is not None


def unusable(module: str) -> tuple[str, ...]:
    """Why a module can not be part of a policy here, as sentences: its own faults, or the library is not there."""
    if problems := problems_of(module):
        return problems
    if not is_installed():
        return (NOT_INSTALLED,)
    with _one_at_a_time:
        try:
            _compiled(module)
        except Exception as error:  # regopy's RegoError; the library may be missing when types are checked
            return (f"the module can not be compiled: {_first_line(str(error))}",)
    return ()


def with_rego(case: Case, judgement: Judgement) -> Judgement:
    """The judgement with POLICY_DENIED as its last finding, unless the policy's module allows the evidence or there is
    none. Claims of evidence that is not authentic are nobody's, and not asked about.
    """
    module = case.policy.rego.module
    if module is None or not authenticity(tuple(finding.reason for finding in judgement.findings)):
        return judgement
    document = {
        "format": str(case.evidence.format),
        "claims": claims_to_dict(judgement.claims),
        "not_checked": [str(item) for item in judgement.not_checked],
    }
    refusal = _refusal(module, json.dumps(document))
    if refusal is None:
        return judgement
    findings = (*judgement.findings, Finding(Reason.POLICY_DENIED, refusal))
    return Judgement(findings, judgement.claims, judgement.not_checked)


def _refusal(module: str, document: str) -> str | None:
    """A sentence, or None when `allow` is true."""
    if problems_of(module) or not is_installed():
        return f"the policy's Rego module can not be evaluated: {(*problems_of(module), NOT_INSTALLED)[0]}"
    if not _one_at_a_time.acquire(timeout=TIME_MAX_SECONDS):
        return "the policy's Rego module takes too long"
    answers: list[str] = []
    # A daemon: an evaluation that does not end must not keep the process from ending. The lock is its to release.
    threading.Thread(target=_evaluate, args=(module, document, answers), name="rego", daemon=True).start()
    if not _one_at_a_time.acquire(timeout=TIME_MAX_SECONDS):
        return "the policy's Rego module takes too long"
    _one_at_a_time.release()
    return None if answers == ["true"] else "the policy's Rego module does not allow it"


def _evaluate(module: str, document: str, answers: list[str]) -> None:
    try:
        interpreter, bundle = _compiled(module)
        interpreter.set_input_term(document)
        output = interpreter.query_bundle(bundle)
        if output.ok():
            answers.append(_answer(str(output)))
    except Exception as error:  # whatever it is, nothing was allowed
        answers.append(f"error: {error}")
    finally:
        _one_at_a_time.release()


@lru_cache(maxsize=8)
def _compiled(module: str) -> tuple[Any, Any]:
    regopy = importlib.import_module("regopy")
    interpreter = regopy.Interpreter()
    interpreter.log_level = regopy.LogLevel.NONE
    interpreter.add_module("policy.rego", module)
    return interpreter, interpreter.build(_QUERY)


def _answer(output: str) -> str:
    """The value of the one expression, as JSON; "undefined" is none."""
    try:
        expressions = json.loads(output)["expressions"]
    except (ValueError, KeyError, TypeError):
        return ""
    return json.dumps(expressions[0]) if len(expressions) == 1 else ""


def _first_line(text: str) -> str:
    message = text.partition("errormsg ")[2].partition(")")[0].partition(":")[2] or text
    return message.strip().splitlines()[0] if message.strip() else "unknown error"
