"""The one error tree of this package.

`verify()` never raises for foreign bytes: an EvidenceError raised inside is turned into a reason of the verdict, once.
Callers meet these errors only from the loaders (files, status lists) and when they pass arguments that make no sense.
"""

from attestation.reasons import Reason


class AttestationError(Exception):
    """Base of everything this package raises."""


class EvidenceError(AttestationError):
    """Foreign bytes that cannot be judged further; carries the reason code that the verdict will show."""

    def __init__(self, detail: str, *, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class CollateralError(AttestationError):
    """A status list (later: CRL, TCB info) that is not what its vendor publishes."""


class PolicyError(AttestationError):
    """A policy file that can not be used. `problems` are sentences, one for each mistake."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ArgumentError(AttestationError):
    """The caller's own input is wrong: empty challenge, time without a zone, anchor without a key."""
