"""Cases with a known answer, as the evidence factories make them."""

from dataclasses import dataclass

from attestation.case import Case
from attestation.reasons import Reason


@dataclass(frozen=True, slots=True)
class Variant:
    """A case to verify, the reason its verdict must name first, and a name for test reports."""

    name: str
    reason: Reason
    case: Case


@dataclass(frozen=True, slots=True)
class Good:
    """A case that must be accepted, and a name for test reports."""

    name: str
    case: Case
