"""TPM statements that must be refused: what was signed, by whom, for which challenge, and the registers beside it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from attestation.case import Case
from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import tpm_evidence
from attestation.reasons import Reason
from attestation.testing.broken import flip_bit
from attestation.testing.tpm import CHALLENGE, enrolled
from attestation.testing.tpm_bench import (
    EVENTS,
    Bench,
    Maker,
    Table,
    changed,
    expecting,
    made_by,
    new_ec_key,
    new_spki,
    without,
)
from attestation.testing.tpm_wire import APP_KEY_ATTRIBUTES, PublicFields, name_of


def _registers(change: Callable[[dict[int, bytes]], dict[int, bytes]], bank: str = "sha256") -> Maker:
    def make(bench: Bench) -> Case:
        values = change(dict(bench.tpm.registers["sha256"]))
        single = {**bench.tpm.quote(CHALLENGE), tpm_parts.AK_CERTIFICATE: bench.tpm.ak_certificate(now=bench.now)}
        return replace(bench.case(), evidence=tpm_evidence(single, registers={bank: values}))

    return make


def _other_signature(bench: Bench) -> Case:
    return bench.quoting({tpm_parts.SIGNATURE: bench.another().quote(CHALLENGE)[tpm_parts.SIGNATURE]})


def _quote_for_certify(bench: Bench) -> Case:
    return bench.quoting({tpm_parts.CERTIFIED_PUBLIC: PublicFields(attributes=APP_KEY_ATTRIBUTES).write(new_ec_key())})


def _certify_for_quote(bench: Bench) -> Case:
    single = bench.tpm.certify(new_ec_key(), CHALLENGE)
    kept = {part: single[part] for part in (tpm_parts.ATTEST, tpm_parts.SIGNATURE, tpm_parts.AK_PUBLIC)}
    return enrolled(replace(bench.case(), evidence=tpm_evidence(kept)), name_of(bench.tpm.ak_public))


def _of_unknown_type(bench: Bench) -> Case:
    message, signature = bench.tpm.state(0x8014, bytes(4), CHALLENGE)
    single = {tpm_parts.ATTEST: message, tpm_parts.SIGNATURE: signature, tpm_parts.AK_PUBLIC: bench.tpm.ak_public}
    return enrolled(replace(bench.case(), evidence=tpm_evidence(single)), name_of(bench.tpm.ak_public))


def _without_challenge(bench: Bench) -> Case:
    return replace(bench.case(), evidence=bench.tpm.attest(bench.tpm.quote(b""), now=bench.now))


STATEMENTS: Final[Table] = {
    "statement cut short": (Reason.MALFORMED, changed(tpm_parts.ATTEST, lambda data: data[:-1])),
    "signature cut short": (Reason.MALFORMED, changed(tpm_parts.SIGNATURE, lambda data: data[:-1])),
    "signature with a tail": (Reason.MALFORMED, changed(tpm_parts.SIGNATURE, lambda data: data + b"\0")),
    "public area cut short": (Reason.MALFORMED, changed(tpm_parts.AK_PUBLIC, lambda data: data[:-1])),
    "no public area": (
        Reason.MALFORMED, without(tpm_parts.AK_PUBLIC)
    ),
    "unknown part": (Reason.MALFORMED, lambda bench: bench.quoting({"note": b"trust me"})),
    "nothing to judge": (Reason.MALFORMED, lambda bench: replace(bench.case(), evidence=tpm_evidence({}))),
    "register by no name": (Reason.MALFORMED, lambda bench: bench.quoting({"pcr.sha256.07": bytes(32)})),
    "log cut short": (Reason.MALFORMED, changed(tpm_parts.EVENT_LOG, lambda data: data[:-1])),
    "one bit of the statement": (Reason.BAD_SIGNATURE, changed(tpm_parts.ATTEST, lambda d: flip_bit(d, octet=60))),
    "signature of another TPM": (Reason.BAD_SIGNATURE, _other_signature),
    "hand-made magic": (Reason.BAD_SIGNATURE, made_by(lambda tpm: tpm.changed(magic=0xFF544348))),
    "unknown type of statement": (
        Reason.WRONG_TYPE,
        _of_unknown_type,
    ),
    "quote where a key is certified": (Reason.WRONG_TYPE, _quote_for_certify),
    "certification where a quote belongs": (Reason.WRONG_TYPE, _certify_for_quote),
    "HMAC key type": (Reason.UNSUPPORTED_ALGORITHM, changed(tpm_parts.AK_PUBLIC, lambda data: b"\0\x08" + data[2:])),
    "other challenge": (
        Reason.CHALLENGE_MISMATCH, expecting(b"another challenge")
    ),
    "no challenge": (
        Reason.CHALLENGE_MISMATCH,
        _without_challenge,
    ),
    "other register value": (Reason.PCR_DIGEST_MISMATCH, _registers(lambda values: {**values, 7: bytes(32)})),
    "register left out": (
        Reason.PCR_DIGEST_MISMATCH, _registers(lambda values: {i: value for i, value in values.items() if i != 16})
    ),
    "register that was not quoted": (Reason.PCR_DIGEST_MISMATCH, _registers(lambda values: {**values, 11: bytes(32)})),
    "values under another bank": (Reason.PCR_DIGEST_MISMATCH, _registers(lambda values: values, bank="sha1")),
    "edited event log": (
        Reason.EVENT_LOG_MISMATCH, changed(tpm_parts.EVENT_LOG, lambda data: flip_bit(data, octet=-20))
    ),
    "event log of nothing": (Reason.EVENT_LOG_MISMATCH, lambda bench: bench.with_log(EVENTS[:1])),
    "quote is for no such key": (Reason.KEY_MISMATCH, expecting(CHALLENGE, new_spki())),
}  # fmt: skip
