"""GPUs of the catalogue: good ones, and every way to cheat."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.case import Case
from attestation.formats.nvidia_spdm import OpaqueField
from attestation.model import Anchors, Collateral, Evidence, Expectation, Format
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.policy import Policy
from attestation.policy_nvidia import GpuMeasurement, NvidiaPolicy
from attestation.reasons import Reason
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import spki_of
from attestation.testing.gpu import (
    FIELDS,
    ISSUER_SERIAL,
    LEAF_NAME,
    MEASUREMENTS,
    VirtualGpu,
    block,
    body,
    leaf_certificate,
    new_key,
)
from attestation.testing.variant import Good, Variant

CHALLENGE: Final = sha256(b"challenge of the evidence factory").digest()
_REQUEST: Final = b"\x11\xe0\x01\xff" + CHALLENGE + b"\0"
_RESPONSE: Final = b"\x11\x60\x00\x00"


def good_case(gpu: VirtualGpu, *, now: datetime) -> Case:
    """A report of this GPU with all that is needed to accept it."""
    collateral = Collateral(nvidia=gpu.collateral())
    return Case(gpu.attest(CHALLENGE), Expectation(CHALLENGE), gpu.anchors, collateral, Policy(), now)


def good(now: datetime) -> Iterator[Good]:
    gpu = VirtualGpu.create(now=now)
    case = good_case(gpu, now=now)
    yield Good("chain with its root", case)
    yield Good("chain without its root", replace(case, evidence=replace(gpu, chain=gpu.chain[:-1]).attest(CHALLENGE)))
    yield Good("NUL behind the report", replace(case, evidence=gpu.attest(b"", report=gpu.report(CHALLENGE) + b"\0")))
    key = spki_of(ec.generate_private_key(ec.SECP256R1()))
    bound = gpu.attest(sha256(CHALLENGE + key).digest())
    yield Good("enrols a key", replace(case, evidence=bound, expectation=Expectation(CHALLENGE, key)))
    rules = NvidiaPolicy(
        measurements=tuple(GpuMeasurement(index, frozenset({value})) for index, value in MEASUREMENTS.items()),
        min_driver_version=(550, 90),
        min_vbios_version=(0x96, 0, 0x9F),
        products=frozenset({"GH000"}),
    )
    yield Good("reference values", replace(case, policy=Policy(nvidia=rules)))
    allowed = Policy(nvidia=NvidiaPolicy(allow_missing_crl=True))
    yield Good("no CRL", replace(case, collateral=Collateral(), policy=allowed))
    plain = gpu.with_leaf(spki_of(gpu.key), firmware=None)
    yield Good("certificate without firmware id", replace(case, evidence=plain.attest(CHALLENGE)))


def broken(now: datetime) -> Iterator[Variant]:
    gpu = VirtualGpu.create(now=now)
    case = good_case(gpu, now=now)
    for name, (reason, make) in BROKEN.items():
        yield Variant(name, reason, make(case, gpu))


Maker = Callable[[Case, VirtualGpu], Case]


def _bytes(change: Callable[[bytes], bytes]) -> Maker:
    return lambda case, gpu: replace(case, evidence=gpu.attest(b"", report=change(gpu.report(CHALLENGE))))


def _report(**fields: Any) -> Maker:
    return lambda case, gpu: replace(case, evidence=gpu.attest(b"", report=gpu.report(CHALLENGE, **fields)))


def _signed(message: bytes) -> Maker:
    return lambda case, gpu: replace(case, evidence=gpu.attest(b"", report=gpu.sign(message)))


def _gpu(change: Callable[[VirtualGpu], VirtualGpu]) -> Maker:
    return lambda case, gpu: replace(case, evidence=change(gpu).attest(CHALLENGE))


def _chain(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Maker:
    return _gpu(lambda gpu: replace(gpu, chain=change(gpu.chain)))


def _policy(**rules: Any) -> Maker:
    return lambda case, _: replace(case, policy=Policy(nvidia=NvidiaPolicy(**rules)))


def _crl(make: Callable[[VirtualGpu], NvidiaCollateral | None]) -> Maker:
    return lambda case, gpu: replace(case, collateral=Collateral(nvidia=make(gpu)))


def _at(shift: timedelta) -> Maker:
    return lambda case, _: replace(case, at=case.at + shift)


def _firmware_as_issuer(case: Case, gpu: VirtualGpu) -> Case:
    """The key of genuine firmware signs a certificate of its own making, for a key of the attacker's."""
    attacker = VirtualGpu.create(now=gpu.now)
    leaf = leaf_certificate(spki_of(attacker.key), gpu.key, now=gpu.now, issuer=LEAF_NAME)
    return replace(case, evidence=replace(gpu, key=attacker.key, chain=(leaf, *gpu.chain)).attest(CHALLENGE))


def _two_reports(case: Case, _: VirtualGpu) -> Case:
    return replace(case, evidence=Evidence(Format.NVIDIA_GPU, (*case.evidence.parts, case.evidence.parts[0])))


def _other_curve(case: Case, gpu: VirtualGpu) -> Case:
    return replace(case, evidence=gpu.with_leaf(spki_of(ec.generate_private_key(ec.SECP256R1()))).attest(CHALLENGE))


def _blocks(*blocks: bytes) -> Maker:
    return _signed(_REQUEST + _RESPONSE + body(list(blocks), b""))


def _wrong_signer(gpu: VirtualGpu) -> VirtualGpu:
    return replace(gpu, key=new_key())


_ONE: Final = block(1, bytes(48))

BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "two reports": (Reason.MALFORMED, _two_reports),
    "oversize": (Reason.MALFORMED, _bytes(lambda report: report + bytes(64 * 1024))),
    "cut": (Reason.MALFORMED, _bytes(lambda report: report[:-1])),
    "byte behind the report": (Reason.MALFORMED, _bytes(lambda report: report + b"\1")),
    "two NULs behind the report": (Reason.MALFORMED, _bytes(lambda report: report + b"\0\0")),
    "other version": (Reason.MALFORMED, _report(request=b"\x12\xe0\x01\xff")),
    "no answer": (Reason.MALFORMED, _report(response=b"\x11\x7f\x00\x00")),
    "measurement twice": (Reason.MALFORMED, _blocks(_ONE, _ONE)),
    "measurement not of DMTF": (Reason.MALFORMED, _blocks(block(1, bytes(48), specification=2))),
    "block longer than its value": (Reason.MALFORMED, _blocks(_ONE[:2] + b"\x34\0" + _ONE[4:] + b"\0")),
    "field twice": (Reason.MALFORMED, _signed(_REQUEST + _RESPONSE + body([_ONE], b"\3\0\0\0" * 2))),
    "request for one measurement": (Reason.WRONG_TYPE, _report(request=b"\x11\xe0\x01\x05")),
    "request without signature": (Reason.WRONG_TYPE, _report(request=b"\x11\xe0\x00\xff")),
    # chain
    "one certificate": (Reason.INCOMPLETE_CHAIN, _chain(lambda chain: chain[:1])),
    "certificate missing": (Reason.BROKEN_CHAIN, _chain(lambda chain: (chain[0], *chain[2:]))),
    "certificate bit": (
        Reason.BAD_SIGNATURE,
        _chain(lambda chain: (flip_bit(chain[0], octet=-1), *chain[1:])),
    ),
    "root of one's own": (
        Reason.UNTRUSTED_ROOT,
        lambda case, gpu: replace(case, anchors=VirtualGpu.create(now=gpu.now).anchors),
    ),
    "no anchors": (Reason.UNTRUSTED_ROOT, lambda case, _: replace(case, anchors=Anchors(()))),
    "issued by firmware": (Reason.ISSUER_NOT_CA, _firmware_as_issuer),
    "decades later": (Reason.EXPIRED, _at(timedelta(days=30 * 365))),
    "before it was made": (Reason.NOT_YET_VALID, _at(timedelta(days=-60))),
    # report
    "signature bit": (Reason.BAD_SIGNATURE, _bytes(lambda report: flip_bit(report, octet=-1))),
    "measurement edited": (Reason.BAD_SIGNATURE, _bytes(lambda report: report.replace(MEASUREMENTS[2], bytes(48)))),
    "nonce edited": (Reason.BAD_SIGNATURE, _bytes(lambda report: report.replace(CHALLENGE, bytes(32)))),
    "signed by another key": (Reason.BAD_SIGNATURE, _gpu(_wrong_signer)),
    "key on P-256": (Reason.UNSUPPORTED_ALGORITHM, _other_curve),
    "another firmware": (Reason.BINDING_MISMATCH, _report(fields=FIELDS | {OpaqueField.FIRMWARE_ID: bytes(48)})),
    "another challenge": (
        Reason.CHALLENGE_MISMATCH,
        lambda case, _: replace(case, expectation=Expectation(bytes(32))),
    ),
    "challenge for another key": (
        Reason.KEY_MISMATCH,
        lambda case, _: replace(case, expectation=Expectation(CHALLENGE, b"another key")),
    ),
    # revocation and policy
    "no CRL": (Reason.STATUS_LIST_MISSING, _crl(lambda _: None)),
    "CA revoked": (Reason.REVOKED, _crl(lambda gpu: gpu.collateral(ISSUER_SERIAL + 2))),
    "old CRL": (Reason.STALE_COLLATERAL, _crl(lambda gpu: gpu.collateral(age=timedelta(days=30)))),
    "CRL of another signer": (Reason.BAD_COLLATERAL_SIGNATURE, _crl(lambda gpu: gpu.collateral(signer=0))),
    "other product": (Reason.PRODUCT_NOT_ALLOWED, _policy(products=frozenset({"GH100"}))),
    "old driver": (Reason.TCB_TOO_OLD, _policy(min_driver_version=(570,))),
    "no driver version": (
        Reason.TCB_TOO_OLD,
        lambda case, gpu: replace(
            _report(fields={})(case, gpu), policy=Policy(nvidia=NvidiaPolicy(min_driver_version=(0,)))
        ),
    ),
    "old VBIOS": (Reason.TCB_TOO_OLD, _policy(min_vbios_version=(0x97,))),
    "other measurement": (
        Reason.MEASUREMENT_MISMATCH,
        _policy(measurements=(GpuMeasurement(2, frozenset({bytes(48)})),)),
    ),
    "measurement missing": (
        Reason.MEASUREMENT_MISSING,
        _policy(measurements=(GpuMeasurement(50, frozenset({bytes(48)})),)),
    ),
}
