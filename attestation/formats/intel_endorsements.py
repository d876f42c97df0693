"""Is the collateral Intel's, is it of this platform, is it fresh, and what does it revoke?

TCB info and QE identity are signed by the TCB Signing certificate, which the root issued; the PCK CRL by the PCK CA,
the root's CRL by the root. All chains end in an anchor of the caller.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from attestation.chain import check_anchor, check_issuers, check_links
from attestation.errors import EvidenceError
from attestation.formats.intel_pck import Platform
from attestation.formats.intel_quote import Tee
from attestation.formats.intel_signatures import verify_raw
from attestation.intel_collateral import IntelCollateral
from attestation.model import Finding, TrustAnchor
from attestation.policy_intel import IntelPolicy
from attestation.reasons import Reason
from attestation.signatures import load_key
from attestation.status import MAX_CLOCK_SKEW
from attestation.x509 import COMMON_NAME, Certificate

TCB_SIGNING: Final = "Intel SGX TCB Signing"

_QE_OF: Final = {Tee.SGX: "QE", Tee.TDX: "TD_QE"}


def check_authority(
    collateral: IntelCollateral, anchors: tuple[TrustAnchor, ...], *, at: datetime
) -> tuple[Finding, ...]:
    """Every piece is signed by whom it has to be; BAD_COLLATERAL_SIGNATURE otherwise, once for each piece."""
    pieces = collateral.pieces
    problems = {
        "TCB info": _text_problem(
            collateral.tcb_info_chain, pieces.tcb_info, pieces.tcb_info_signature, anchors, at=at
        ),
        "QE identity": _text_problem(
            collateral.qe_identity_chain, pieces.qe_identity, pieces.qe_identity_signature, anchors, at=at
        ),
        "CRL": _crl_problem(collateral, anchors, at=at),
    }
    found = (f"{name}: {problem}" for name, problem in problems.items() if problem)
    return tuple(Finding(Reason.BAD_COLLATERAL_SIGNATURE, detail) for detail in found)


def _text_problem(
    chain: tuple[Certificate, ...], text: bytes, signature: bytes, anchors: tuple[TrustAnchor, ...], *, at: datetime
) -> str | None:
    """The signer must be the one the root named for this: keys of platforms stand under the same root."""
    if len(chain) != 2 or chain[0].subject.get(COMMON_NAME) != TCB_SIGNING:
        return f"signer is not {TCB_SIGNING}, issued by the root"
    if problem := _chain_problem(chain, anchors, first_issuer=1, at=at):
        return problem
    try:
        if chain[0].basic_constraints().ca:
            return f"{TCB_SIGNING} is a CA"
        verify_raw(load_key(chain[0].spki), signature, text)
    except EvidenceError as error:
        return error.detail
    return None


def _crl_problem(collateral: IntelCollateral, anchors: tuple[TrustAnchor, ...], *, at: datetime) -> str | None:
    chain = collateral.pck_crl_chain
    if problem := _chain_problem(chain, anchors, first_issuer=0, at=at):
        return problem
    try:
        if not (chain[0].may_sign_crls() and chain[-1].may_sign_crls()):
            return "its issuer may not sign CRLs"
        collateral.pck_crl.check_signature(chain[0].spki)
        collateral.root_ca_crl.check_signature(chain[-1].spki)
    except EvidenceError as error:
        return error.detail
    return None


def _chain_problem(
    chain: tuple[Certificate, ...], anchors: tuple[TrustAnchor, ...], *, first_issuer: int, at: datetime
) -> str | None:
    findings = (
        *check_links(chain, at_least=2),
        *check_anchor(chain, anchors, at=at),
        *check_issuers(chain, first_issuer=first_issuer),
    )
    return findings[0].detail if findings else None


def check_fit(
    collateral: IntelCollateral, *, tee: Tee, platform: Platform, pck_chain: tuple[Certificate, ...]
) -> Iterator[Finding]:
    """The collateral is that of this TEE, family of platforms and PCK CA: others do not count."""
    info, identity = collateral.tcb_info, collateral.qe_identity
    if info.id != tee:
        yield Finding(Reason.COLLATERAL_MISMATCH, f"TCB info is for {info.id}, the quote is of {tee}")
    if identity.id != _QE_OF[tee]:
        yield Finding(Reason.COLLATERAL_MISMATCH, f"identity of {identity.id}, not of {_QE_OF[tee]}")
    if (info.fmspc, info.pce_id) != (platform.fmspc, platform.pce_id):
        detail = f"TCB info is for FMSPC {info.fmspc.hex()}, the platform has {platform.fmspc.hex()}"
        yield Finding(Reason.COLLATERAL_MISMATCH, detail)
    issuer = pck_chain[1]
    if collateral.pck_crl.issuer != issuer.subject or collateral.pck_crl_chain[0].spki != issuer.spki:
        yield Finding(Reason.COLLATERAL_MISMATCH, "the PCK CRL is that of another CA")
    roots = {
        collateral.tcb_info_chain[-1].spki,
        collateral.qe_identity_chain[-1].spki,
        collateral.pck_crl_chain[-1].spki,
    }
    if roots != {pck_chain[-1].spki}:
        yield Finding(Reason.COLLATERAL_MISMATCH, "collateral and platform stand under different roots")


def check_freshness(collateral: IntelCollateral, policy: IntelPolicy, *, at: datetime) -> Iterator[Finding]:
    """Each piece was issued before now and is not to be replaced yet; no piece is older than the policy's floor."""
    grace = policy.collateral_grace
    info, identity = collateral.tcb_info.validity, collateral.qe_identity.validity
    for name, begin, end in (
        ("TCB info", info.issued, info.next_update),
        ("QE identity", identity.issued, identity.next_update),
        ("PCK CRL", collateral.pck_crl.this_update, collateral.pck_crl.next_update),
        ("root CA CRL", collateral.root_ca_crl.this_update, collateral.root_ca_crl.next_update),
    ):
        if problem := _not_fresh(begin, end, grace=grace, at=at):
            yield Finding(Reason.STALE_COLLATERAL, f"{name} {problem}")
    for signer in (collateral.tcb_info_chain[0], collateral.qe_identity_chain[0], collateral.pck_crl_chain[0]):
        if problem := _certificate_not_fresh(signer, grace=grace, at=at):
            yield Finding(Reason.STALE_COLLATERAL, f"certificate of {signer.subject.get(COMMON_NAME)} {problem}")
    floor = policy.min_evaluation_number
    lowest = min(info.evaluation_number, identity.evaluation_number)
    if floor is not None and lowest < floor:
        detail = f"tcbEvaluationDataNumber {lowest}, at least {floor} is demanded"
        yield Finding(Reason.STALE_COLLATERAL, detail)


def _not_fresh(begin: datetime, end: datetime | None, *, grace: timedelta, at: datetime) -> str | None:
    if begin - at > MAX_CLOCK_SKEW:
        return f"was issued only {begin:%Y-%m-%dT%H:%M:%SZ}"
    if end is None:
        return "does not say how long it holds"
    return f"was to be replaced {end:%Y-%m-%dT%H:%M:%SZ}" if at - end > grace else None


def _certificate_not_fresh(certificate: Certificate, *, grace: timedelta, at: datetime) -> str | None:
    """The root above is matched by key, and its period stands with the anchor."""
    try:
        begin, end = certificate.valid_between()
    except EvidenceError as error:
        return error.detail
    return _not_fresh(begin, end, grace=grace, at=at)


def check_revocation(collateral: IntelCollateral, pck_chain: tuple[Certificate, ...]) -> Iterator[Finding]:
    """The platform's certificate by its CA; that CA and the signers of TCB info by the root."""
    root = collateral.root_ca_crl
    signers = {chain[0].serial for chain in (collateral.tcb_info_chain, collateral.qe_identity_chain)}
    for name, when in (
        ("PCK certificate", collateral.pck_crl.revoked_at(pck_chain[0].serial)),
        ("PCK CA", root.revoked_at(pck_chain[1].serial)),
        ("TCB signing certificate", next(filter(None, map(root.revoked_at, signers)), None)),
    ):
        if when is not None:
            yield Finding(Reason.REVOKED, f"{name} revoked {when:%Y-%m-%d}")
