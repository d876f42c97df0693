"""Authentic TPM evidence that the policy refuses: hashes, revocation, clock, registers, boot."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from attestation.case import Case
from attestation.crl import parse_crl
from attestation.event_log import Event, HashId
from attestation.formats import tpm_parts
from attestation.model import Collateral
from attestation.policy_tpm import PcrReference, TpmKind, TpmPolicy
from attestation.reasons import Reason
from attestation.testing.tpm import crl, ruled
from attestation.testing.tpm_bench import EVENTS, Bench, Maker, Table, made_by, policy, without
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker, secure_boot_events
from attestation.tpm_collateral import ClockRecord, TpmCollateral
from attestation.tpm_reader import TpmAlgorithm

_STRANGE: Final = replace(EVENTS[0], event_type=0x7777)


def _events(*events: Event, **rules: Any) -> Maker:
    return lambda bench: ruled(bench.case(replace(bench.tpm, events=events)), TpmPolicy(**rules))


def _since(record: ClockRecord, change: Callable[[VirtualTpm], VirtualTpm] = lambda tpm: tpm, **rules: Any) -> Maker:
    def make(bench: Bench) -> Case:
        collateral = Collateral(tpm=TpmCollateral(previous=record))
        return replace(ruled(bench.case(change(bench.tpm)), TpmPolicy(**rules)), collateral=collateral)

    return make


def _crl(**facts: Any) -> Maker:
    def make(bench: Bench) -> Case:
        case = bench.quoting({tpm_parts.AK_CERTIFICATE: bench.tpm.ak_certificate(now=bench.now, serial=77)})
        listed = crl(bench.tpm, now=bench.now, **facts)
        return replace(case, collateral=Collateral(tpm=TpmCollateral(crls=(parse_crl(listed),))))

    return make


def _forged_crl(bench: Bench) -> Case:
    """A list of another CA of the same name."""
    other = replace(bench.tpm, maker=VirtualTpmMaker.create(now=bench.now))
    collateral = Collateral(tpm=TpmCollateral(crls=(parse_crl(crl(other, now=bench.now)),)))
    return replace(bench.case(), collateral=collateral)


RULES: Final[Table] = {
    "kind of evidence": (Reason.KIND_NOT_ALLOWED, policy(kinds=frozenset({TpmKind.CERTIFY}))),
    "SHA-1 signature": (Reason.WEAK_HASH, made_by(lambda tpm: tpm.with_ak(scheme_hash=TpmAlgorithm.SHA1))),
    "SHA-1 bank": (Reason.WEAK_HASH, made_by(lambda tpm: replace(tpm, bank=HashId.SHA1))),
    "revoked": (Reason.REVOKED, _crl(revoked=(77,))),
    "old CRL": (Reason.STALE_COLLATERAL, _crl(old=True)),
    "CRL of another CA": (Reason.BAD_COLLATERAL_SIGNATURE, _forged_crl),
    "no CRL": (Reason.COLLATERAL_MISSING, policy(require_crl=True)),
    "reset counter behind": (Reason.CLOCK_ROLLED_BACK, _since(ClockRecord(1, 6, 0))),
    "restart counter behind": (Reason.CLOCK_ROLLED_BACK, _since(ClockRecord(1, 5, 3))),
    "clock behind in one boot": (Reason.CLOCK_ROLLED_BACK, _since(ClockRecord(1_000_001, 5, 2))),
    "clock far behind": (
        Reason.CLOCK_ROLLED_BACK,
        _since(ClockRecord(100_000_000, 4, 0), lambda tpm: tpm.changed(safe=0)),
    ),
    "restarted": (Reason.TPM_RESTARTED, _since(ClockRecord(1, 4, 0), same_boot=True)),
    "register not quoted": (
        Reason.MEASUREMENT_MISSING, policy(pcrs=(PcrReference("sha256", 11, frozenset({bytes(32)})),))
    ),
    "register of another value": (
        Reason.MEASUREMENT_MISMATCH, policy(pcrs=(PcrReference("sha256", 16, frozenset({b"\1" * 32})),))
    ),
    "no event log": (
        Reason.MEASUREMENT_MISSING,
        lambda bench: ruled(without(tpm_parts.EVENT_LOG)(bench), TpmPolicy(require_event_log=True)),
    ),
    "event of a strange type": (Reason.UNKNOWN_EVENT, _events(_STRANGE, *EVENTS[1:], refuse_unknown_events=True)),
    "Secure Boot off": (Reason.SECURE_BOOT_OFF, _events(*secure_boot_events(enabled=False), require_secure_boot=True)),
    "Secure Boot without separator": (Reason.SECURE_BOOT_OFF, _events(*EVENTS[:-1], require_secure_boot=True)),
    "db with another certificate": (
        Reason.SECURE_BOOT_DB_NOT_ALLOWED, policy(allowed_db_entries=frozenset({bytes(32)}))
    ),
    "dbx without an image": (Reason.SECURE_BOOT_DBX_TOO_OLD, policy(required_dbx_entries=frozenset({bytes(32)}))),
}  # fmt: skip
