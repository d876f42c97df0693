"""Has AMD revoked the signing key above an endorsement key? The ARK of the product says so in its CRL, by serial."""

from collections.abc import Iterator
from datetime import datetime

from attestation.amd_collateral import AmdCollateral
from attestation.anchors_amd import ROOTS, SERIALS
from attestation.crl import Crl, signed_by
from attestation.errors import EvidenceError
from attestation.formats.sev_snp_chain import KeyChain
from attestation.formats.sev_snp_key import root_name
from attestation.formats.sev_snp_tcb import Product
from attestation.model import Finding, TrustAnchor
from attestation.reasons import Reason
from attestation.x509 import COMMON_NAME


def check_revocation(
    chain: KeyChain,
    product: Product,
    *,
    collateral: AmdCollateral | None,
    anchors: tuple[TrustAnchor, ...],
    allow_missing: bool,
    at: datetime,
) -> Iterator[Finding]:
    """Lists of other products, and of other roots of the same name that the caller trusts, are passed over. One that is
    past its time is refused, and what it revokes is revoked.
    """
    name, serial = root_name(product), _signer_serial(chain)
    lists, problem = _lists_of(chain, product, collateral, anchors)
    if problem is not None:
        yield Finding(problem.reason, problem.detail)
        return
    if serial is None or not lists:
        if not allow_missing:
            what = (
                "the serial of the signing key is not known" if serial is None else f"no CRL of this {name} was given"
            )
            yield Finding(Reason.STATUS_LIST_MISSING, what)
        return
    for crl in lists:
        revoked = crl.revoked_at(serial)
        if revoked is not None and revoked <= at:
            yield Finding(Reason.REVOKED, f"signing key of {product} with serial {serial}, revoked {revoked:%Y-%m-%d}")
        if not crl.fresh(at=at):
            yield Finding(
                Reason.STALE_COLLATERAL, f"CRL of {name} from {crl.this_update:%Y-%m-%d} does not cover the time"
            )


def can_check_revocation(
    chain: KeyChain, product: Product, collateral: AmdCollateral | None, anchors: tuple[TrustAnchor, ...]
) -> bool:
    """Whether there is a list of the root above this chain, and a serial to look for in it."""
    return _signer_serial(chain) is not None and bool(_lists_of(chain, product, collateral, anchors)[0])


def _lists_of(
    chain: KeyChain, product: Product, collateral: AmdCollateral | None, anchors: tuple[TrustAnchor, ...]
) -> tuple[list[Crl], EvidenceError | None]:
    """What the chain's own root signed; and if that is nothing, what is wrong with a list that bears its name and that
    no other root the caller trusts under this name signed either.
    """
    name, root = root_name(product), _root_key(chain, product)
    named = [crl for crl in (collateral.crls if collateral else ()) if crl.issuer.get(COMMON_NAME) == name]
    if root is None:
        return [], None
    own, problem = signed_by(named, root)
    if own or problem is None:
        return own, None
    others = [anchor.spki for anchor in anchors if anchor.common_name == name]
    foreign = [crl for crl in named if any(signed_by([crl], spki)[0] for spki in others)]
    return [], problem if len(foreign) < len(named) else None


def _signer_serial(chain: KeyChain) -> str | None:
    """From the certificate of the signing key, or for one of AMD's known by its key alone, from the table."""
    if len(chain.certificates) > 1:
        return chain.certificates[1].serial
    return SERIALS.get(chain.anchor.spki) if chain.anchor else None


def _root_key(chain: KeyChain, product: Product) -> bytes | None:
    """The ARK that certified this chain's signing key: at its top, or the anchor in which it ends. Above a signing key
    that is itself the anchor stands the ARK of the table, if the signing key is in the table too.
    """
    top = chain.certificates[-1]
    if len(chain.certificates) == 1:
        known = chain.anchor is not None and chain.anchor.spki in SERIALS
        return ROOTS[root_name(product)] if known else None
    if top.self_issued:
        return top.spki
    return chain.anchor.spki if chain.anchor else None
