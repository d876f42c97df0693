"""Has NVIDIA revoked a CA or a GPU? Each issuer in a chain may publish a CRL; a chip's own certificates have none."""

from collections.abc import Iterator

from attestation.case import Case
from attestation.crl import Crl, signed_by
from attestation.model import Finding
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.reasons import Reason
from attestation.x509 import Certificate


def check_revocation(chain: tuple[Certificate, ...], case: Case) -> Iterator[Finding]:
    """Lists of other CAs are passed over, also of one with the same name where there is a list of this CA. One that is
    past its time is refused, and what it revokes is revoked.
    """
    found = _lists(chain, case.collateral.nvidia)
    if not found and not case.policy.nvidia.allow_missing_crl:
        yield Finding(Reason.STATUS_LIST_MISSING, "no CRL of a CA in the chain was given")
    for issuer, named in found:
        lists, problem = signed_by(named, issuer.spki)
        if problem is not None and not lists:
            yield Finding(problem.reason, problem.detail)
        for crl in lists:
            yield from _check(crl, issuer, chain, case)


def can_check_revocation(chain: tuple[Certificate, ...], collateral: NvidiaCollateral | None) -> bool:
    """Whether there is a list of any issuer in the chain."""
    return bool(_lists(chain, collateral))


def _check(crl: Crl, issuer: Certificate, chain: tuple[Certificate, ...], case: Case) -> Iterator[Finding]:
    for position, certificate in enumerate(chain, start=1):
        revoked = crl.revoked_at(certificate.serial)
        if certificate.issuer == issuer.subject and revoked is not None and revoked <= case.at:
            yield Finding(Reason.REVOKED, f"certificate {position} of the chain, revoked {revoked:%Y-%m-%d}")
    if not crl.fresh(at=case.at):
        yield Finding(Reason.STALE_COLLATERAL, f"CRL from {crl.this_update:%Y-%m-%d} does not cover the time")


def _lists(chain: tuple[Certificate, ...], collateral: NvidiaCollateral | None) -> list[tuple[Certificate, list[Crl]]]:
    """Each issuer that has some, and the lists that bear its name."""
    lists = collateral.crls if collateral else ()
    named = ((issuer, [crl for crl in lists if crl.issuer == issuer.subject]) for issuer in chain[1:])
    return [(issuer, found) for issuer, found in named if found]
