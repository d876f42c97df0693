"""Intel quotes that are refused for what Intel says, or does not say, of their platform; and collateral that is not
Intel's.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from attestation.case import Case
from attestation.intel_tcb import TcbStatus
from attestation.model import Collateral
from attestation.reasons import Reason
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import ca_extensions
from attestation.testing.intel_bench import Bench, Maker, Table, on, pcs, ruled
from attestation.testing.intel_pcs import EVALUATION_NUMBER, Edit
from attestation.testing.intel_platform import COMPONENTS, PLATFORM_CA, PROCESSOR_CA, VirtualIntel, pck_extension
from attestation.testing.intel_quote import EnclaveState
from attestation.testing.phone import Issuer

_DEBUG: Final = 2


def _certified(**extension: Any) -> Maker:
    """A platform whose PCK certificate says something else."""
    return on(lambda bench: bench.maker.platform(now=bench.now, extensions=(pck_extension(**extension),)))


def _signed_by(signer: Callable[[Bench], Issuer]) -> Maker:
    return lambda bench: replace(bench.case(), collateral=bench.collateral(signer=signer(bench)))


def _signer_and_ca(bench: Bench) -> Issuer:
    """The name of the TCB signer on a certificate that makes it a CA."""
    begin, end = bench.now - timedelta(days=9), bench.now + timedelta(days=9)
    signer = bench.maker.tcb_signer
    return bench.maker.root.issue_ca(signer.subject, signer.key, begin=begin, end=end, extensions=ca_extensions())


def _signer_expired(bench: Bench) -> Issuer:
    begin, end = bench.now - timedelta(days=9), bench.now - timedelta(days=1)
    signer = bench.maker.tcb_signer
    return bench.maker.root.issue_ca(signer.subject, signer.key, begin=begin, end=end, extensions=(pck_extension(),))


def _bit(piece: str) -> Maker:
    """One piece of good collateral with its last bit changed."""

    def make(bench: Bench) -> Case:
        good = bench.collateral().intel
        assert good is not None
        changed = flip_bit(getattr(good.pieces, piece), octet=-1)
        return replace(bench.case(), collateral=bench.collateral(pieces={piece: changed}))

    return make


def _upgraded(bench: Bench) -> Case:
    """The text says UpToDate, the signature is of one that said OutOfDate."""
    old = bench.collateral(status="OutOfDate").intel
    assert old is not None
    signature = {"tcb_info_signature": old.pieces.tcb_info_signature}
    return replace(bench.case(), collateral=bench.collateral(pieces=signature))


def _other_tee(bench: Bench) -> Case:
    tee = next(tee for tee in type(bench.tee) if tee is not bench.tee)
    return replace(bench.case(), collateral=bench.collateral(tee=tee))


def _revoked(serial: Callable[[Bench], int], *, field: str) -> Maker:
    return lambda bench: replace(bench.case(), collateral=bench.collateral(**{field: frozenset({serial(bench)})}))


def _signer_serial(bench: Bench) -> int:
    return replace(bench, platform=replace(bench.platform, pck=bench.maker.tcb_signer)).serial(0)


def _quoting(**changes: Any) -> Maker:
    """A quoting enclave that is not Intel's in one field."""

    def make(bench: Bench) -> Case:
        enclave: EnclaveState = replace(bench.quoting_enclave, **changes)
        return bench.case(bench.quote(qe=enclave))

    return make


def _debug_enclave(bench: Bench) -> Case:
    return _quoting(flags=bench.quoting_enclave.flags | _DEBUG)(bench)


def _tcb(**changes: Any) -> Edit:
    """Other SVNs in the first level."""
    return lambda document: document["tcbLevels"][0]["tcb"].update(changes)


def _out_of_date(document: dict[str, Any]) -> None:
    document["tcbLevels"][0].update(tcbStatus="OutOfDate")


def _last_svn(document: dict[str, Any]) -> None:
    document["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][15].update(svn=1)


COLLATERAL: Final[Table] = {
    "no collateral": (Reason.TCB_COLLATERAL_MISSING, lambda bench: replace(bench.case(), collateral=Collateral())),
    # whose it is
    "TCB info edited": (Reason.BAD_COLLATERAL_SIGNATURE, _upgraded),
    "TCB info signature bit": (Reason.BAD_COLLATERAL_SIGNATURE, _bit("tcb_info_signature")),
    "QE identity signature bit": (Reason.BAD_COLLATERAL_SIGNATURE, _bit("qe_identity_signature")),
    "PCK CRL signature bit": (Reason.BAD_COLLATERAL_SIGNATURE, _bit("pck_crl")),
    "root CRL signature bit": (Reason.BAD_COLLATERAL_SIGNATURE, _bit("root_ca_crl")),
    "TCB info by a platform": (Reason.BAD_COLLATERAL_SIGNATURE, _signed_by(lambda bench: bench.platform.pck)),
    "TCB info by a PCK CA": (Reason.BAD_COLLATERAL_SIGNATURE, _signed_by(lambda b: b.maker.cas[PLATFORM_CA])),
    "TCB signer is a CA": (Reason.BAD_COLLATERAL_SIGNATURE, _signed_by(_signer_and_ca)),
    "TCB info under another root": (
        Reason.BAD_COLLATERAL_SIGNATURE,
        _signed_by(lambda bench: VirtualIntel.create(now=bench.now).tcb_signer),
    ),
    # of whom it is
    "TCB info of another family": (Reason.COLLATERAL_MISMATCH, _certified(fmspc=bytes(6))),
    "collateral of the other TEE": (Reason.COLLATERAL_MISMATCH, _other_tee),
    "CRL of the other CA": (Reason.COLLATERAL_MISMATCH, pcs(ca=PROCESSOR_CA)),
    "platform of the other CA": (
        Reason.COLLATERAL_MISMATCH,
        on(lambda bench: bench.maker.platform(now=bench.now, ca=bench.maker.cas[PROCESSOR_CA])),
    ),
    "identity of another enclave": (Reason.COLLATERAL_MISMATCH, pcs(edit_identity=lambda item: item.update(id="QVE"))),
    # freshness
    "TCB info out of date": (Reason.STALE_COLLATERAL, pcs(issued=-40, next_update=-10)),
    "TCB info from the future": (Reason.STALE_COLLATERAL, pcs(issued=1)),
    "CRL out of date": (Reason.STALE_COLLATERAL, pcs(crl_next_update=-1)),
    "root CRL out of date": (Reason.STALE_COLLATERAL, pcs(root_crl_next_update=-1)),
    "TCB signer expired": (Reason.STALE_COLLATERAL, _signed_by(_signer_expired)),
    "before the TCB recovery": (Reason.STALE_COLLATERAL, ruled(min_evaluation_number=EVALUATION_NUMBER + 1)),
    "grace is over": (
        Reason.STALE_COLLATERAL,
        lambda b: replace(b.case(collateral_grace=timedelta(days=9)), collateral=b.collateral(crl_next_update=-10)),
    ),
    # revocation
    "PCK revoked": (Reason.REVOKED, _revoked(lambda bench: bench.serial(0), field="revoked")),
    "PCK CA revoked": (Reason.REVOKED, _revoked(lambda bench: bench.serial(1), field="revoked_by_root")),
    "TCB signer revoked": (Reason.REVOKED, _revoked(_signer_serial, field="revoked_by_root")),
    # quoting enclave
    "QE of another signer": (Reason.QE_IDENTITY_MISMATCH, _quoting(mr_signer=bytes(32))),
    "QE of another product": (Reason.QE_IDENTITY_MISMATCH, _quoting(isv_prod_id=99)),
    "QE in debug mode": (Reason.QE_IDENTITY_MISMATCH, _debug_enclave),
    "QE with another MISCSELECT": (Reason.QE_IDENTITY_MISMATCH, _quoting(misc_select=b"\1\0\0\0")),
    # TCB
    "first component below": (Reason.TCB_NOT_SUPPORTED, _certified(components=(3, *COMPONENTS[1:]))),
    "last component below": (Reason.TCB_NOT_SUPPORTED, pcs(edit_tcb_info=_last_svn)),
    "PCE below": (Reason.TCB_NOT_SUPPORTED, pcs(edit_tcb_info=_tcb(pcesvn=14))),
    "QE below": (Reason.TCB_NOT_SUPPORTED, pcs(edit_identity=_tcb(isvsvn=99))),
    "hardening needed": (Reason.TCB_SW_HARDENING_NEEDED, pcs(status="SWHardeningNeeded")),
    "configuration needed": (Reason.TCB_CONFIGURATION_NEEDED, pcs(status="ConfigurationNeeded")),
    "configuration and hardening needed": (
        Reason.TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
        pcs(status="ConfigurationAndSWHardeningNeeded"),
    ),
    "out of date": (Reason.TCB_OUT_OF_DATE, pcs(status="OutOfDate")),
    "QE out of date": (Reason.TCB_OUT_OF_DATE, pcs(edit_identity=_out_of_date)),
    "QE out of date, configuration needed": (
        Reason.TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
        pcs(status="ConfigurationNeeded", edit_identity=_out_of_date),
    ),
    "TCB revoked": (Reason.TCB_REVOKED, pcs(status="Revoked")),
    "advisory not named": (
        Reason.ADVISORY_NOT_ALLOWED,
        lambda bench: replace(
            bench.case(tcb_statuses=frozenset(TcbStatus), advisories=frozenset({"INTEL-SA-00001"})),
            collateral=bench.collateral(status="SWHardeningNeeded", advisories=("INTEL-SA-00615",)),
        ),
    ),
    "another processor": (Reason.IDENTITY_NOT_ALLOWED, ruled(platforms=frozenset({bytes(16)}))),
}
