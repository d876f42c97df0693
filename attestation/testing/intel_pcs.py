"""Collateral for virtual platforms, as Intel's service gives it out: signed JSON texts and CRLs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from attestation.formats.intel_quote import Tee
from attestation.intel_collateral import CollateralPieces, IntelCollateral, parse_intel_collateral
from attestation.policy_intel import SgxFlag
from attestation.testing.crl import CrlRequest, issue_crl
from attestation.testing.intel_platform import (
    COMPONENTS,
    FMSPC,
    PCE_SVN,
    PLATFORM_CA,
    VirtualIntel,
    pem,
    sign_raw,
)
from attestation.testing.intel_quote import QE, QE_SIGNER, TD_QE
from attestation.testing.phone import Issuer

EVALUATION_NUMBER: Final = 18
TDX_COMPONENTS: Final = (5, 0, 3, *(0,) * 13)
LEVEL_DATE: Final = datetime.fromisoformat("2024-03-13T00:00:00+00:00")

Edit = Callable[[dict[str, Any]], Any]


def _leave(_: dict[str, Any]) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PcsState:
    """What the service says. The two edits change a document before it is signed, the periods are in days from now."""

    tee: Tee
    ca: str = PLATFORM_CA
    status: str = "UpToDate"
    advisories: tuple[str, ...] = ()
    edit_tcb_info: Edit = _leave
    edit_identity: Edit = _leave
    issued: int = -1
    next_update: int = 29
    crl_next_update: int = 29
    root_crl_next_update: int = 300
    revoked: frozenset[int] = frozenset()  # serials revoked by the PCK CA
    revoked_by_root: frozenset[int] = frozenset()
    signer: Issuer | None = None  # in place of the TCB signer
    pieces: Mapping[str, bytes] = field(default_factory=dict)  # pieces to put in place of those made


def virtual_collateral(maker: VirtualIntel, state: PcsState, *, now: datetime) -> IntelCollateral:
    """Everything a verifier needs for platforms of `maker`."""
    signer, ca = state.signer or maker.tcb_signer, maker.cas[state.ca]
    info = _signed_text(_tcb_info(state, now=now), state.edit_tcb_info)
    identity = _signed_text(_identity(state, now=now), state.edit_identity)
    pieces = CollateralPieces(
        tcb_info=info,
        tcb_info_signature=sign_raw(signer.key, info),
        tcb_info_chain=pem(signer.chain),
        qe_identity=identity,
        qe_identity_signature=sign_raw(signer.key, identity),
        qe_identity_chain=pem(signer.chain),
        pck_crl=_crl(ca, state.revoked, state, days=state.crl_next_update, now=now),
        pck_crl_chain=pem(ca.chain),
        root_ca_crl=_crl(maker.root, state.revoked_by_root, state, days=state.root_crl_next_update, now=now),
    )
    return parse_intel_collateral(replace(pieces, **state.pieces))


def _crl(ca: Issuer, serials: frozenset[int], state: PcsState, *, days: int, now: datetime) -> bytes:
    request = CrlRequest(
        issuer=ca.subject,
        this_update=now + timedelta(days=min(state.issued, days - 1)),
        next_update=now + timedelta(days=days),
        revoked=dict.fromkeys(serials, now - timedelta(days=2)),
    )
    return issue_crl(request, signer=ca.key)


def _signed_text(document: dict[str, Any], edit: Edit) -> bytes:
    edit(document)
    return json.dumps(document, separators=(",", ":")).encode()


def _validity(state: PcsState, *, now: datetime) -> dict[str, Any]:
    return {
        "issueDate": _time(now + timedelta(days=state.issued)),
        "nextUpdate": _time(now + timedelta(days=state.next_update)),
        "tcbEvaluationDataNumber": EVALUATION_NUMBER,
    }


def _time(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"


def _level(tcb: dict[str, Any], status: str = "UpToDate", advisories: tuple[str, ...] = ()) -> dict[str, Any]:
    named = {"advisoryIDs": list(advisories)} if advisories else {}
    return {"tcb": tcb, "tcbDate": _time(LEVEL_DATE), "tcbStatus": status, **named}


def _tcb_info(state: PcsState, *, now: datetime) -> dict[str, Any]:
    tcb: dict[str, Any] = {"sgxtcbcomponents": [{"svn": svn} for svn in COMPONENTS], "pcesvn": PCE_SVN}
    document: dict[str, Any] = {
        "id": str(state.tee),
        "version": 3,
        **_validity(state, now=now),
        "fmspc": FMSPC.hex().upper(),
        "pceId": "0000",
        "tcbType": 0,
    }
    if state.tee is Tee.TDX:
        tcb["tdxtcbcomponents"] = [{"svn": svn} for svn in TDX_COMPONENTS]
        module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
        document["tdxModule"] = module
        document["tdxModuleIdentities"] = [{"id": "TDX_01", **module, "tcbLevels": [_level({"isvsvn": 5})]}]
    document["tcbLevels"] = [_level(tcb, state.status, state.advisories)]
    return document


def _identity(state: PcsState, *, now: datetime) -> dict[str, Any]:
    enclave = TD_QE if state.tee is Tee.TDX else QE
    return {
        "id": "TD_QE" if state.tee is Tee.TDX else "QE",
        "version": 2,
        **_validity(state, now=now),
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": (enclave.flags & ~SgxFlag.MODE64BIT).to_bytes(8, "little").hex() + "00" * 8,
        "attributesMask": "FBFFFFFFFFFFFFFF" + "00" * 8,
        "mrsigner": QE_SIGNER.hex(),
        "isvprodid": enclave.isv_prod_id,
        "tcbLevels": [_level({"isvsvn": enclave.isv_svn})],
    }
