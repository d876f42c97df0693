"""One row of a set of samples, made ready to judge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attestation.case import Case
from attestation.model import Finding, Verdict
from attestation.reasons import authenticity
from attestation.verify import verify_case

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """`strict` is judged as a careful relying party would: vendor anchors, default policy, no reference values, because
    the row names none. `lenient` is the same evidence for a relying party that has configured what the row's evidence
    needs (a root, SHA-1 banks, development keys, a TCB status); None where nothing could be configured.

    `refused` says why collateral that the row brings was not even taken in. It counts like a finding of the verdict,
    behind what is wrong with the evidence itself.
    """

    strict: Case
    lenient: Case | None = None
    refused: Finding | None = None

    def judge_strictly(self) -> Verdict:
        return self._judge(self.strict)

    def judge_leniently(self) -> Verdict | None:
        return None if self.lenient is None else self._judge(self.lenient)

    def _judge(self, case: Case) -> Verdict:
        verdict = verify_case(case)
        if self.refused is None or not verdict.authentic:
            return verdict
        findings = (self.refused, *verdict.findings)
        authentic = authenticity(tuple(finding.reason for finding in findings))
        return replace(verdict, authentic=authentic, appraised=False, findings=findings)


@dataclass(frozen=True, slots=True)
class Folder:
    """A vendor's folder, with all rows of its expected.json by id (rows refer to each other)."""

    path: Path
    rows: Mapping[str, Row]

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def files(self, row: Row, *, ending: str) -> tuple[str, ...]:
        return tuple(name for name in row["files"] if name.endswith(ending))


# A loader reads nothing of a row but id, files, verify_at and those claims that a relying party knows beforehand
# (challenge, nonce, application), never authentic, verdict or reason.
Loader = Callable[[Row, Folder], Sample]
