"""The signed statement of a TPM and what hangs on it: signature, challenge, register values, boot event log.

Used for bare TPMs and for the virtual ones inside Azure's composites; both hand in the AK's key and what they hold.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from attestation.errors import EvidenceError
from attestation.event_log import EventLog, HashId, parse_event_log
from attestation.formats.tpm_parts import Registers
from attestation.model import Expectation, Finding
from attestation.reasons import Reason
from attestation.secure_boot import SECURE_BOOT_PCR, SecureBoot, read_secure_boot
from attestation.tpm_reader import HASH_BYTES, HASH_NAMES, TpmAlgorithm
from attestation.tpm_structures import (
    AttestType,
    QuoteInfo,
    Scheme,
    TpmAttest,
    TpmSignature,
    check_tpm_signature,
    parse_attest,
)

MAX_RAW_CHALLENGE: Final = 64  # TPM2B_DATA holds a digest with its algorithm; longer challenges are hashed

_FRESH: Final = {index: b"\xff" if 17 <= index <= 22 else b"\0" for index in range(32)}  # PC Client TPM Profile, 4.6
_FIRMWARE: Final = range(8)  # registers that only firmware extends, so its log must explain them
_LOG_HASHES: Final = {int(item): item for item in HashId}


@dataclass(frozen=True, slots=True)
class Statement:
    """A TPMS_ATTEST that was read, if it could be, and what was wrong with it and its signature."""

    attest: TpmAttest | None
    findings: tuple[Finding, ...]


def read_statement(
    message: bytes, signature: TpmSignature, *, spki: bytes, scheme: Scheme | None, expected: AttestType
) -> Statement:
    """Form, then signature, then type: of bytes that are no statement, a signature that fits says nothing, and of bytes
    that nobody signed, the type.
    """
    attest: TpmAttest | None = None
    unreadable: list[Finding] = []
    try:
        attest = parse_attest(message, expected=expected)
    except EvidenceError as error:
        unreadable = [Finding(error.reason, error.detail)]
        if error.reason is Reason.MALFORMED:
            return Statement(None, tuple(unreadable))
    findings = _check_signature(message, signature, spki=spki, scheme=scheme)
    return Statement(attest, (*findings, *unreadable))


def _check_signature(message: bytes, signature: TpmSignature, *, spki: bytes, scheme: Scheme | None) -> list[Finding]:
    findings: list[Finding] = []
    if scheme is not None and scheme.algorithm != TpmAlgorithm.NULL:
        made = (signature.algorithm, signature.hash_algorithm)
        if made != (scheme.algorithm, scheme.hash_algorithm):
            findings.append(Finding(Reason.BAD_SIGNATURE, "signature is not of the scheme that the AK is bound to"))
    try:
        check_tpm_signature(signature, spki=spki, message=message)
    except EvidenceError as error:
        findings.append(Finding(error.reason, error.detail))
    return findings


def qualifying_data(challenge: bytes, *, key_spki: bytes | None = None) -> bytes:
    """What to hand to TPM2_Quote or TPM2_Certify: the challenge, hashed with SHA-256 where it is longer than 64 bytes;
    with a key to bind, SHA-256(challenge || key as DER SubjectPublicKeyInfo).
    """
    if key_spki is not None:
        return hashlib.sha256(challenge + key_spki).digest()
    return challenge if len(challenge) <= MAX_RAW_CHALLENGE else hashlib.sha256(challenge).digest()


def binds_key(attest: TpmAttest, expectation: Expectation) -> bool:
    """The statement was made for challenge and key together."""
    if expectation.key_spki is None:
        return False
    wanted = qualifying_data(expectation.challenge, key_spki=expectation.key_spki)
    return hmac.compare_digest(wanted, attest.extra_data)


def check_challenge(attest: TpmAttest, expectation: Expectation, *, allow_empty: bool) -> tuple[Finding, ...]:
    """Compared in constant time with the two forms of `qualifying_data`."""
    plain = hmac.compare_digest(qualifying_data(expectation.challenge), attest.extra_data)
    if plain | binds_key(attest, expectation) or (allow_empty and not attest.extra_data):
        return ()
    return (Finding(Reason.CHALLENGE_MISMATCH, "the statement was made for another challenge"),)


def check_registers(quote: QuoteInfo, registers: Registers, *, hash_algorithm: int) -> tuple[Finding, ...]:
    """Part 1, 23.4: the hash of the signature's scheme over the selected values, banks in the order of the selection,
    registers ascending. A value that was not selected is refused: the TPM vouched for nothing of the kind.
    """
    if not registers:
        return ()
    selected = {(item.bank, index) for item in quote.selections for index in item.registers}
    given = {(bank, index) for bank, values in registers.items() for index in values}
    if selected != given:
        odd = min(selected ^ given)
        problem = "was quoted but not given" if odd in selected else "was given but not quoted"
        return (Finding(Reason.PCR_DIGEST_MISMATCH, f"register {odd[1]} of bank {odd[0]} {problem}"),)
    values = b"".join(registers[item.bank][index] for item in quote.selections for index in item.registers)
    sizes_fit = all(
        len(registers[item.bank][index]) == HASH_BYTES[item.algorithm]
        for item in quote.selections
        for index in item.registers
    )
    name = HASH_NAMES.get(hash_algorithm)
    if name is None or not sizes_fit or hashlib.new(name, values).digest() != quote.pcr_digest:
        return (Finding(Reason.PCR_DIGEST_MISMATCH, "the register values are not those that were quoted"),)
    return ()


@dataclass(frozen=True, slots=True)
class Replay:
    """A log whose replay gives the quoted values. `unexplained` are quoted registers that hold something although the
    log does not touch them: later software extended them.
    """

    log: EventLog
    algorithm: HashId
    unexplained: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LogResult:
    replay: Replay | None
    findings: tuple[Finding, ...] = ()


def check_event_log(data: bytes, quote: QuoteInfo, registers: Registers) -> LogResult:
    """Replay in every quoted bank that the log has. No common bank leaves the log unchecked (`replay` None)."""
    try:
        log = parse_event_log(data)
        replay: Replay | None = None
        for selection in quote.selections:
            algorithm = _LOG_HASHES.get(selection.algorithm)
            values = registers.get(selection.bank)
            if algorithm is None or algorithm not in log.algorithms or not values:
                continue
            computed = log.replay(algorithm)
            wrong = [i for i in selection.registers if i in computed and computed[i] != values.get(i)]
            rest = tuple(i for i in selection.registers if i not in computed and values.get(i, b"").strip(_FRESH[i]))
            wrong += [i for i in rest if i in _FIRMWARE]
            if wrong:
                detail = f"replay of the event log gives other values of {selection.bank} registers {wrong}"
                return LogResult(None, (Finding(Reason.EVENT_LOG_MISMATCH, detail),))
            log.check_data(algorithm)
            if replay is None or algorithm.size > replay.algorithm.size:
                replay = Replay(log, algorithm, rest)
    except EvidenceError as error:
        return LogResult(None, (Finding(error.reason, f"event log: {error.detail}"),))
    return LogResult(replay)


def secure_boot(quote: QuoteInfo, replay: Replay | None) -> SecureBoot | None:
    """Believed only where register 7 was quoted in the bank of the replay; None too where it cannot be read."""
    if replay is None:
        return None
    if not any(s.algorithm == replay.algorithm and SECURE_BOOT_PCR in s.registers for s in quote.selections):
        return None
    try:
        return read_secure_boot(replay.log, replay.algorithm)
    except EvidenceError:
        return None
