"""Has AMD revoked the signing key above an endorsement key? The ARK of the product says so in its CRL, by serial."""

from collections.abc import Iterator
from datetime import datetime

from attestation.amd_collateral import AmdCollateral
from attestation.anchors_amd import SERIALS
from attestation.crl import Crl
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
    """Lists of other products are passed over. One that is past its time is refused, and what it revokes is revoked."""
    ark, serial = root_name(product), _signer_serial(chain)
    if serial is None or not can_check_revocation(chain, product, collateral):
        if not allow_missing:
            what = f"no CRL of {ark} was given" if serial is not None else "the serial of the signing key is not known"
            yield Finding(Reason.STATUS_LIST_MISSING, what)
        return
    for crl in _lists_of(product, collateral):
        problem = _check_signer(crl, _root_keys(chain, ark, anchors))
        if problem is not None:
            yield problem
            continue
        revoked = crl.revoked_at(serial)
        if revoked is not None and revoked <= at:
            yield Finding(Reason.REVOKED, f"signing key of {product} with serial {serial}, revoked {revoked:%Y-%m-%d}")
        if not crl.fresh(at=at):
            yield Finding(
                Reason.STALE_COLLATERAL, f"CRL of {ark} from {crl.this_update:%Y-%m-%d} does not cover the time"
            )


def can_check_revocation(chain: KeyChain, product: Product, collateral: AmdCollateral | None) -> bool:
    """Whether there is a list of the product's root, and a serial to look for in it."""
    return _signer_serial(chain) is not None and bool(_lists_of(product, collateral))


def _lists_of(product: Product, collateral: AmdCollateral | None) -> list[Crl]:
    lists = collateral.crls if collateral else ()
    return [crl for crl in lists if crl.issuer.get(COMMON_NAME) == root_name(product)]


def _signer_serial(chain: KeyChain) -> str | None:
    """From the certificate of the signing key, or for one of AMD's known by its key alone, from the table."""
    if len(chain.certificates) > 1:
        return chain.certificates[1].serial
    return SERIALS.get(chain.anchor.spki) if chain.anchor else None


def _root_keys(chain: KeyChain, ark: str, anchors: tuple[TrustAnchor, ...]) -> list[bytes]:
    """Keys the caller trusts under the name of the product's root; the root of a checked chain is one of them."""
    keys = [anchor.spki for anchor in anchors if anchor.common_name == ark]
    top = chain.certificates[-1]
    if top.self_issued and top.spki not in keys:
        keys.append(top.spki)
    return keys


def _check_signer(crl: Crl, keys: list[bytes]) -> Finding | None:
    problem = Finding(Reason.BAD_COLLATERAL_SIGNATURE, "CRL: no trust anchor has the name of its issuer")
    for spki in keys:
        try:
            crl.check_signature(spki)
        except EvidenceError as error:
            problem = Finding(error.reason, error.detail)
        else:
            return None
    return problem
