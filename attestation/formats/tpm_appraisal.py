"""Does the policy accept what authentic TPM evidence says? Every refusal has a reason; none hides another."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from attestation.crl import signed_by
from attestation.formats.tpm_chain import Path
from attestation.formats.tpm_parts import Registers
from attestation.model import Finding
from attestation.policy_tpm import TpmKind, TpmPolicy
from attestation.reasons import Reason
from attestation.secure_boot import SecureBoot
from attestation.tpm_collateral import ClockRecord, TpmCollateral
from attestation.tpm_reader import TpmAlgorithm
from attestation.tpm_structures import ClockInfo, QuoteInfo, TpmAttest, TpmSignature

# A TPM writes its clock to memory that lasts at least every 2^22 milliseconds (Part 1, 36.3.2): how far a sudden loss
# of power may turn it back.
MAX_CLOCK_LOSS: Final = 1 << 22
_HALF: Final = 1 << 31  # of a 32-bit counter: more than this ahead is behind


def appraise_kind(kind: TpmKind, policy: TpmPolicy) -> Iterator[Finding]:
    if kind not in policy.kinds:
        yield Finding(Reason.KIND_NOT_ALLOWED, f"evidence of kind {kind}")


def appraise_hashes(signature: TpmSignature, attest: TpmAttest, policy: TpmPolicy) -> Iterator[Finding]:
    """SHA-1 in the signature or in a quoted bank."""
    if policy.allow_sha1:
        return
    if signature.hash_algorithm == TpmAlgorithm.SHA1:
        yield Finding(Reason.WEAK_HASH, "the statement is signed with SHA-1")
    quoted = attest.attested.selections if isinstance(attest.attested, QuoteInfo) else ()
    if any(item.algorithm == TpmAlgorithm.SHA1 for item in quoted):
        yield Finding(Reason.WEAK_HASH, "the quote covers a SHA-1 bank")


def appraise_registers(registers: Registers, policy: TpmPolicy) -> Iterator[Finding]:
    """Every reference value is quoted, and one of those allowed."""
    for reference in policy.pcrs:
        value = registers.get(reference.bank, {}).get(reference.index)
        register = f"register {reference.index} of bank {reference.bank}"
        if value is None:
            yield Finding(Reason.MEASUREMENT_MISSING, f"{register} was not quoted")
        elif value not in reference.digests:
            yield Finding(Reason.MEASUREMENT_MISMATCH, f"{register} has a value that the policy does not name")


def appraise_clock(clock: ClockInfo, record: ClockRecord | None, policy: TpmPolicy) -> Iterator[Finding]:
    """Part 1, 36: neither counter nor clock runs backwards, but that a loss of power may repeat some of the clock.

    Counters are compared modulo 2^32, because outside two hierarchies a constant is added to them.
    """
    if record is None:
        return
    resets = (clock.reset_count - record.reset_count) % (1 << 32)
    restarts = (clock.restart_count - record.restart_count) % (1 << 32)
    same_boot = resets == 0 and restarts == 0
    if resets >= _HALF or (resets == 0 and restarts >= _HALF):
        yield Finding(Reason.CLOCK_ROLLED_BACK, "reset or restart counter is behind the record")
    elif clock.clock < record.clock:
        lost = record.clock - clock.clock
        if same_boot or clock.safe or lost > MAX_CLOCK_LOSS:
            yield Finding(Reason.CLOCK_ROLLED_BACK, f"the TPM's clock is {lost} ms behind the record")
    if policy.same_boot and not same_boot:
        yield Finding(Reason.TPM_RESTARTED, "the TPM was reset or resumed since the record")


def appraise_boot(boot: SecureBoot | None, unknown: tuple[int, ...], policy: TpmPolicy) -> Iterator[Finding]:
    """What a replayed event log says. `boot` is None where there was no log, or it does not cover register 7."""
    if boot is None and policy.require_event_log:
        yield Finding(Reason.MEASUREMENT_MISSING, "no event log explains the quoted register 7")
    if unknown and policy.refuse_unknown_events:
        types = " ".join(f"0x{item:x}" for item in unknown[:8])
        yield Finding(Reason.UNKNOWN_EVENT, f"event types {types}")
    if policy.require_secure_boot and not (boot and boot.enabled):
        yield Finding(Reason.SECURE_BOOT_OFF, "the event log does not show Secure Boot enabled")
    databases = boot or SecureBoot(None, None, frozenset())
    if policy.allowed_db_entries and databases.db is None:
        yield Finding(Reason.SECURE_BOOT_DB_NOT_ALLOWED, "the event log does not show what is in db")
    elif databases.db is not None and policy.allowed_db_entries and databases.db - policy.allowed_db_entries:
        detail = f"{len(databases.db - policy.allowed_db_entries)} entries of db are not allowed"
        yield Finding(Reason.SECURE_BOOT_DB_NOT_ALLOWED, detail)
    if missing := policy.required_dbx_entries - databases.dbx:
        yield Finding(Reason.SECURE_BOOT_DBX_TOO_OLD, f"{len(missing)} required entries of dbx are missing")


def appraise_revocation(
    path: Path | None, collateral: TpmCollateral | None, policy: TpmPolicy, *, at: datetime
) -> Iterator[Finding]:
    """Every certificate of the path against the list of its issuer, where one was given."""
    if path is None:
        return
    lists = () if collateral is None else collateral.crls
    issuers = [*(item.spki for item in path.certificates[1:]), path.anchor.spki if path.anchor else b""]
    for index, (certificate, issuer) in enumerate(zip(path.certificates, issuers, strict=True)):
        found = [crl for crl in lists if crl.issuer == certificate.issuer]
        if not found and policy.require_crl:
            yield Finding(Reason.COLLATERAL_MISSING, f"no revocation list for the issuer of certificate {index}")
        signed, problem = signed_by(found, issuer)
        if problem is not None and not signed:
            yield Finding(problem.reason, problem.detail)
        for crl in signed:
            if crl.revoked_at(certificate.serial) is not None:
                yield Finding(Reason.REVOKED, f"certificate {index} is on the revocation list of its issuer")
            if not crl.fresh(at=at):
                yield Finding(Reason.STALE_COLLATERAL, f"revocation list of {crl.this_update:%Y-%m-%dT%H:%M:%SZ}")


def covered(path: Path | None, collateral: TpmCollateral | None) -> bool:
    """Whether every certificate of the path has a list of its issuer. True where there is no path."""
    lists = () if collateral is None else collateral.crls
    return path is None or all(any(crl.issuer == item.issuer for crl in lists) for item in path.certificates)
