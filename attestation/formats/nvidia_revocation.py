"""Has NVIDIA revoked a CA or a GPU? Each issuer in a chain may publish a CRL; a chip's own certificates have none."""

from collections.abc import Iterator

from attestation.case import Case
from attestation.crl import Crl
from attestation.errors import EvidenceError
from attestation.model import Finding
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.reasons import Reason
from attestation.x509 import Certificate


def check_revocation(chain: tuple[Certificate, ...], case: Case) -> Iterator[Finding]:
    """Lists of other CAs are passed over. One that is past its time is refused, and what it revokes is revoked."""
    found = _lists(chain, case.collateral.nvidia)
    if not found and not case.policy.nvidia.allow_missing_crl:
        yield Finding(Reason.STATUS_LIST_MISSING, "no CRL of a CA in the chain was given")
    for issuer, crl in found:
        try:
            crl.check_signature(issuer.spki)
        except EvidenceError as error:
            yield Finding(error.reason, error.detail)
            continue
        for certificate in chain:
            revoked = crl.revoked_at(certificate.serial)
            if certificate.issuer == issuer.subject and revoked is not None and revoked <= case.at:
                yield Finding(Reason.REVOKED, f"certificate {certificate.serial}, revoked {revoked:%Y-%m-%d}")
        if not crl.fresh(at=case.at):
            yield Finding(Reason.STALE_COLLATERAL, f"CRL from {crl.this_update:%Y-%m-%d} does not cover the time")


def can_check_revocation(chain: tuple[Certificate, ...], collateral: NvidiaCollateral | None) -> bool:
    """Whether there is a list of any issuer in the chain."""
    return bool(_lists(chain, collateral))


def _lists(chain: tuple[Certificate, ...], collateral: NvidiaCollateral | None) -> list[tuple[Certificate, Crl]]:
    lists = collateral.crls if collateral else ()
    return [(issuer, crl) for issuer in chain[1:] for crl in lists if crl.issuer == issuer.subject]
