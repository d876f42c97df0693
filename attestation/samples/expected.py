"""What a row of expected.json says must come out, read from its own words.

authentic   true or false; null marks rows that are collateral or anchors
verdict     "accept", "reject", or "accept" with a condition: then a strict relying party refuses and one that has
            configured the condition accepts ("accept after lenient parsing" has none: parsing is our business)
reason      codes, " / " between alternatives, with words behind them
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from attestation.model import Verdict
from attestation.reasons import Reason
from attestation.samples.sample import Row

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|MALFORMED|REVOKED|SUSPENDED|EXPIRED")


class Outcome(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"
    CONDITIONAL = "accept on a condition"


def wanted_outcome(row: Row) -> Outcome:
    verdict = row["verdict"]
    if verdict.startswith("reject"):
        return Outcome.REJECT
    conditional = re.match(r"accept (only|if|once)\b", verdict)
    return Outcome.CONDITIONAL if conditional else Outcome.ACCEPT


def wanted_codes(row: Row, *, phrases: Mapping[str, Reason]) -> frozenset[str]:
    """Codes in the row's reason that are ours, and those that its words stand for."""
    reason = row["reason"]
    codes = {code for code in _CODE.findall(reason) if code in Reason.__members__}
    return frozenset(codes | {str(code) for phrase, code in phrases.items() if phrase in reason})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of a row's three answers came out right."""

    authentic: bool
    verdict: bool
    reason: bool

    @property
    def right(self) -> bool:
        return self.authentic and self.verdict and self.reason


def compare(row: Row, strict: Verdict, lenient: Verdict | None, *, phrases: Mapping[str, Reason]) -> Comparison:
    """`strict` and `lenient`: of the two cases of the row's Sample."""
    outcome = wanted_outcome(row)
    match outcome:
        case Outcome.ACCEPT:
            return Comparison(strict.authentic is row["authentic"], strict.appraised, not strict.reasons)
        case Outcome.REJECT:
            authentic = strict.authentic is row["authentic"]
            return Comparison(authentic, not strict.appraised, _named(strict, row, phrases=phrases))
        case Outcome.CONDITIONAL:
            accepted = lenient is not None and lenient.appraised
            refused = not strict.appraised
            return Comparison(accepted is row["authentic"], refused and accepted, _named(strict, row, phrases=phrases))
        case _:
            assert_never(outcome)


def _named(verdict: Verdict, row: Row, *, phrases: Mapping[str, Reason]) -> bool:
    """The main cause is one of the row's codes; a row with words only is met by any refusal."""
    codes = wanted_codes(row, phrases=phrases)
    return bool(verdict.reasons) and (not codes or verdict.reasons[0] in codes)
