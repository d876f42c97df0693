"""Intel quotes that are not authentic, whatever the TEE: bytes, chain, signatures, binding."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha512
from typing import Final

from attestation.case import Case
from attestation.formats.intel import QUOTE
from attestation.model import Anchors, Evidence, Expectation, Part
from attestation.reasons import Reason
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import KeyKind, ca_extensions, name, new_key, spki_of
from attestation.testing.intel_bench import CHALLENGE, Bench, Maker, Table, cut, on, quoted
from attestation.testing.intel_platform import PLATFORM_CA, PROCESSOR_CA, VirtualIntel, VirtualPlatform, pck_extension
from attestation.testing.intel_quote import AUTH_DATA

_HEADER: Final = 48


def _parts(change: Callable[[Evidence], tuple[Part, ...]]) -> Maker:
    def make(bench: Bench) -> Case:
        case = bench.case()
        return replace(case, evidence=replace(case.evidence, parts=change(case.evidence)))

    return make


def _chain(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Maker:
    return lambda bench: bench.case(bench.quote(chain=change(bench.platform.pck.chain)))


def _chain_of_another(bench: Bench) -> Case:
    return bench.case(bench.quote(chain=bench.maker.platform(now=bench.now).pck.chain))


def _foreign_leaf(bench: Bench) -> Case:
    """A leaf of the Platform CA below the Processor CA."""
    chain = (bench.platform.pck.chain[0], *bench.maker.cas[PROCESSOR_CA].chain)
    return bench.case(bench.quote(chain=chain))


def _ca_without_rights(bench: Bench) -> VirtualPlatform:
    """A PCK CA whose certificate does not say that it is one."""
    ca = bench.maker.root.issue_ca(
        name(common=PLATFORM_CA), new_key(KeyKind.EC_P256),
        begin=bench.now - timedelta(days=9), end=bench.now + timedelta(days=9), extensions=(pck_extension(),),
    )  # fmt: skip
    return bench.maker.platform(now=bench.now, ca=ca)


def _without_extension(bench: Bench) -> VirtualPlatform:
    return bench.maker.platform(now=bench.now, extensions=ca_extensions())


def _extension_cut(bench: Bench) -> VirtualPlatform:
    return bench.maker.platform(now=bench.now, extensions=(pck_extension(fmspc=bytes(5)),))


def _another_pck(bench: Bench) -> VirtualPlatform:
    """The right certificate, but another key signed the report of the quoting enclave."""
    return replace(bench.platform, pck=replace(bench.platform.pck, key=new_key(KeyKind.EC_P256)))


def _untrusted(bench: Bench) -> Case:
    return replace(bench.case(), anchors=VirtualIntel.create(now=bench.now).anchors)


def _at(shift: timedelta) -> Maker:
    """Another day, with the collateral of that day."""

    def make(bench: Bench) -> Case:
        then = replace(bench, now=bench.now + shift)
        return replace(bench.case(), at=then.now, collateral=then.collateral())

    return make


def _signed_by_another(bench: Bench) -> Case:
    return bench.case(bench.quote(signer=new_key(KeyKind.EC_P256)))


def _expected(challenge: bytes) -> Maker:
    return lambda bench: replace(bench.case(), expectation=Expectation(challenge))


def _key_not_named(bench: Bench) -> Case:
    return replace(bench.case(), expectation=Expectation(CHALLENGE, spki_of(bench.platform.attestation_key)))


def _another_key_named(bench: Bench) -> Case:
    named, wanted = (spki_of(new_key(KeyKind.EC_P256)) for _ in range(2))
    quote = bench.quote(report_data=sha512(CHALLENGE + named).digest())
    return replace(bench.case(quote), expectation=Expectation(CHALLENGE, wanted))


INAUTHENTIC: Final[Table] = {
    # bytes
    "no quote": (Reason.MALFORMED, _parts(lambda _: ())),
    "two quotes": (Reason.MALFORMED, _parts(lambda evidence: evidence.parts * 2)),
    "unknown part": (Reason.MALFORMED, _parts(lambda evidence: (*evidence.parts, Part("more", b"")))),
    "garbage": (Reason.MALFORMED, _parts(lambda _: (Part(QUOTE, b"\3\0garbage"),))),
    "truncated": (Reason.MALFORMED, cut(lambda quote: quote[:-100])),
    "body cut": (Reason.MALFORMED, cut(lambda quote: quote[:300])),
    "oversize": (Reason.MALFORMED, cut(lambda quote: quote + bytes(64 * 1024))),
    "version of tomorrow": (Reason.MALFORMED, quoted(version=6)),
    "no certificates": (Reason.MALFORMED, _chain(lambda _: ())),
    "four certificates": (Reason.MALFORMED, _chain(lambda chain: (*chain, chain[-1]))),
    "certificate cut": (Reason.MALFORMED, _chain(lambda chain: (chain[0][:-1], *chain[1:]))),
    "FMSPC cut": (Reason.MALFORMED, on(_extension_cut)),
    "key type of tomorrow": (Reason.UNSUPPORTED_ALGORITHM, quoted(key_type=3)),
    "encrypted PPID in place of a chain": (Reason.INCOMPLETE_CHAIN, quoted(certification_type=3)),
    # chain
    "root missing": (Reason.INCOMPLETE_CHAIN, _chain(lambda chain: chain[:-1])),
    "order reversed": (Reason.BROKEN_CHAIN, _chain(lambda chain: (chain[1], chain[0], chain[2]))),
    "foreign leaf": (Reason.BROKEN_CHAIN, _foreign_leaf),
    "chain of another platform": (Reason.BAD_SIGNATURE, _chain_of_another),
    "root signature bit": (Reason.BAD_SIGNATURE, _chain(lambda c: (*c[:2], flip_bit(c[2], octet=-1)))),
    "untrusted root": (Reason.UNTRUSTED_ROOT, _untrusted),
    "no anchors": (Reason.UNTRUSTED_ROOT, lambda bench: replace(bench.case(), anchors=Anchors(()))),
    "PCK CA is no CA": (Reason.ISSUER_NOT_CA, on(_ca_without_rights)),
    "no SGX extension": (Reason.MISSING_EXTENSION, on(_without_extension)),
    "PCK expired": (Reason.EXPIRED, _at(timedelta(days=366))),
    "PCK not yet valid": (Reason.NOT_YET_VALID, _at(timedelta(days=-2))),
    # signatures and binding
    "QE report by another key": (Reason.BAD_SIGNATURE, on(_another_pck)),
    "other authentication data": (
        Reason.BINDING_MISMATCH,
        cut(lambda quote: flip_bit(quote, octet=quote.rindex(AUTH_DATA))),
    ),
    "quote by another key": (Reason.BAD_SIGNATURE, _signed_by_another),
    "header bit": (Reason.BAD_SIGNATURE, cut(lambda quote: flip_bit(quote, octet=_HEADER - 1))),
    "body bit": (Reason.BAD_SIGNATURE, cut(lambda quote: flip_bit(quote, octet=_HEADER + 383))),
    "QE of another vendor": (Reason.QE_IDENTITY_MISMATCH, quoted(vendor_id=bytes(16))),
    "another challenge": (Reason.CHALLENGE_MISMATCH, _expected(b"another challenge")),
    "beginning of the challenge": (Reason.CHALLENGE_MISMATCH, _expected(CHALLENGE[:9])),
    "challenge longer than the field": (Reason.CHALLENGE_MISMATCH, _expected(CHALLENGE.ljust(65, b"\0"))),
    "no key in the report data": (Reason.KEY_MISMATCH, _key_not_named),
    "another key in the report data": (Reason.CHALLENGE_MISMATCH, _another_key_named),
}
