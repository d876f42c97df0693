"""SEV-SNP evidence that must be refused, one variant for each way to cheat, with the reason that comes first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from attestation.case import Case
from attestation.formats import sev_snp_table as table
from attestation.formats.sev_snp_evidence import evidence, extended_report_evidence
from attestation.formats.sev_snp_report import GuestPolicy, PlatformInfo, SigningKey
from attestation.formats.sev_snp_tcb import Product, Tcb
from attestation.model import Anchors, Collateral, Expectation
from attestation.policy import Policy
from attestation.policy_amd import AmdSevSnpPolicy, TcbFloor
from attestation.reasons import Reason
from attestation.testing.amd import ASK_SERIAL, VirtualAmd, rsa_key
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import DIGITAL_SIGNATURE, KeyKind, key_usage, new_key, spki_of
from attestation.testing.pss import Pss
from attestation.testing.sev_snp import CHALLENGE, certificate_table, good_case
from attestation.testing.snp_machine import SnpMachine
from attestation.testing.variant import Variant


def broken(now: datetime) -> Iterator[Variant]:
    bench = Bench(SnpMachine.create(Product.MILAN, now=now), now)
    for name, (reason, make) in BROKEN.items():
        yield Variant(name, reason, make(bench))


@dataclass(frozen=True, slots=True)
class Bench:
    """What makers work with."""

    machine: SnpMachine
    now: datetime

    def case(self, machine: SnpMachine | None = None) -> Case:
        return good_case(machine or self.machine, now=self.now)


Maker = Callable[[Bench], Case]


def _fields(**fields: Any) -> Maker:
    """A properly signed report with other values."""
    return lambda bench: bench.case(bench.machine.changed(**fields))


def _endorsed(**facts: Any) -> Maker:
    return lambda bench: bench.case(bench.machine.endorsed_as(**facts))


def _policy(**rules: Any) -> Maker:
    return lambda bench: replace(bench.case(), policy=Policy(amd_sev_snp=AmdSevSnpPolicy(**rules)))


def _report(change: Callable[[bytes], bytes]) -> Maker:
    def make(bench: Bench) -> Case:
        report, chain = bench.machine.report(CHALLENGE), bench.machine.amd.chain(SigningKey.VCEK)
        changed = evidence(report=change(report), certificates=(bench.machine.certificate, *chain))
        return replace(bench.case(), evidence=changed)

    return make


def _chain(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Maker:
    def make(bench: Bench) -> Case:
        chain = bench.case().evidence.named("certificate")
        changed = evidence(report=bench.machine.report(CHALLENGE), certificates=change(chain))
        return replace(bench.case(), evidence=changed)

    return make


def _crl(facts: Callable[[Bench], dict[str, Any]]) -> Maker:
    return lambda bench: replace(bench.case(), collateral=Collateral(amd=bench.machine.amd.collateral(**facts(bench))))


def _table(build: Callable[[Bench], bytes]) -> Maker:
    def make(bench: Bench) -> Case:
        extended = extended_report_evidence(bench.machine.report(CHALLENGE) + build(bench))
        return replace(bench.case(), evidence=extended)

    return make


def _amd(change: Callable[[VirtualAmd], VirtualAmd]) -> Maker:
    """The same machine, endorsed by an AMD that does something else; its anchors are trusted."""

    def make(bench: Bench) -> Case:
        amd = change(bench.machine.amd)
        certificate = amd.endorse(bench.machine.endorsed, spki_of(bench.machine.key))
        return bench.case(replace(bench.machine, amd=amd, certificate=certificate))

    return make


def _certificate(make: Callable[[Bench], bytes]) -> Maker:
    """Another certificate of an endorsement key below the same signing key."""
    return lambda bench: bench.case(replace(bench.machine, certificate=make(bench)))


def _pss(pss: Pss) -> Maker:
    return _certificate(
        lambda bench: replace(bench.machine.amd, pss=pss).endorse(bench.machine.endorsed, spki_of(bench.machine.key))
    )


def _other_chip(bench: Bench) -> Case:
    """A report with a certificate for another chip that bears the same key, so that only the chip differs."""
    other = SnpMachine.create(Product.MILAN, now=bench.now)
    return bench.case(bench.machine.endorsed_as(hardware_id=other.endorsed.hardware_id))


def _foreign_key(bench: Bench) -> bytes:
    return SnpMachine.create(Product.MILAN, now=bench.now).certificate


def _wrong_curve(bench: Bench) -> bytes:
    return bench.machine.amd.endorse(bench.machine.endorsed, spki_of(new_key(KeyKind.EC_P256)))


def _untrusted_root(bench: Bench) -> Case:
    other = SnpMachine.create(Product.MILAN, now=bench.now, number=1)
    return replace(bench.case(other), anchors=bench.machine.amd.anchors)


def _untrusted_signer(bench: Bench) -> Case:
    alone = evidence(report=bench.machine.report(CHALLENGE), certificates=(bench.machine.certificate,))
    return replace(bench.case(), evidence=alone, anchors=Anchors(()))


def _unissued(bench: Bench) -> Case:
    """A certificate in AMD's names that the signing key never made, and nothing above it."""
    other = SnpMachine.create(Product.MILAN, now=bench.now, number=1)
    alone = evidence(report=other.report(CHALLENGE), certificates=(other.certificate,))
    return replace(bench.case(), evidence=alone)


def _signer_no_ca(bench: Bench) -> Case:
    signer = bench.machine.amd.signer(SigningKey.VCEK, extensions=(key_usage(DIGITAL_SIGNATURE),))
    return _chain(lambda chain: (chain[0], signer, chain[2]))(bench)


def _other_root(bench: Bench) -> Case:
    """A signing key in Milan's name under the root of Genoa, which the caller trusts as well."""
    genoa = VirtualAmd.create(Product.GENOA, now=bench.now)
    signer = genoa.signer(SigningKey.VCEK, subject=bench.machine.amd.signer_name(SigningKey.VCEK))
    case = _chain(lambda chain: (chain[0], signer))(bench)
    return replace(case, anchors=genoa.anchors)


def _at(shift: timedelta) -> Maker:
    def make(bench: Bench) -> Case:
        at = bench.now + shift
        crl = bench.machine.amd.collateral(begin=at - timedelta(days=1), end=at + timedelta(days=1))
        return replace(bench.case(), at=at, collateral=Collateral(amd=crl))

    return make


def _key_only(bench: Bench) -> Case:
    chain = bench.case().evidence.named("certificate")
    return replace(bench.case(), evidence=evidence(report=None, certificates=chain))


def _other_crl(bench: Bench) -> Case:
    other = VirtualAmd.create(Product.GENOA, now=bench.now)
    return replace(bench.case(), collateral=Collateral(amd=other.collateral()))


def _turin_layout(bench: Bench) -> Case:
    """A Turin report whose TCB octets are in Milan's order."""
    machine = SnpMachine.create(Product.TURIN, now=bench.now)
    return bench.case(machine.changed(reported_tcb=machine.endorsed.tcb.encode(Product.MILAN)))


def _names_key(bench: Bench) -> Case:
    expectation = Expectation(CHALLENGE, spki_of(new_key(KeyKind.EC_P256)))
    return replace(bench.case(), expectation=expectation)


_TWICE: Final = (table.VCEK.bytes + bytes(8)) * 2 + bytes(table.ENTRY_BYTES)
_POLICY: Final = GuestPolicy.RESERVED_ONE | GuestPolicy.SMT
_SHORT_SALT: Final = Pss(digest=hashes.SHA384(), salt_bytes=20)
_OTHER_MASK: Final = Pss(digest=hashes.SHA384(), mask_digest=hashes.SHA256(), salt_bytes=48)
_SHA1: Final = Pss(digest=hashes.SHA1(), salt_bytes=20)  # noqa: S303 - to be refused

BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "report cut": (Reason.MALFORMED, _report(lambda report: report[:-1])),
    "report of 1000 bytes": (Reason.MALFORMED, _report(lambda report: report[:1000])),
    "bytes behind the report": (Reason.MALFORMED, _report(lambda report: report + b"\0")),
    "no certificate": (Reason.MALFORMED, _chain(lambda _: ())),
    "four certificates": (Reason.MALFORMED, _chain(lambda chain: (*chain, chain[-1]))),
    "bytes behind a certificate": (Reason.MALFORMED, _chain(lambda chain: (chain[0] + b"\0", *chain[1:]))),
    "unknown version": (Reason.MALFORMED, _fields(version=6)),
    "table without end": (Reason.MALFORMED, _table(lambda _: b"\1" * 24)),
    "table points outside": (
        Reason.MALFORMED,
        _table(lambda _: table.VCEK.bytes + b"\xff" * 8 + bytes(table.ENTRY_BYTES)),
    ),
    "table names a key twice": (Reason.MALFORMED, _table(lambda _: _TWICE)),
    "table without the key": (Reason.MALFORMED, _table(lambda _: certificate_table({table.ASK: b"0"}))),
    # chain
    "signer missing": (Reason.BROKEN_CHAIN, _chain(lambda chain: (chain[0], chain[2]))),
    "certificate bit": (Reason.BAD_SIGNATURE, _chain(lambda chain: (flip_bit(chain[0], octet=-1), *chain[1:]))),
    "root signature bit": (Reason.BAD_SIGNATURE, _chain(lambda chain: (*chain[:-1], flip_bit(chain[-1], octet=-1)))),
    "unissued endorsement key": (Reason.BAD_SIGNATURE, _unissued),
    "untrusted signing key": (Reason.UNTRUSTED_VCEK, _untrusted_signer),
    "untrusted root": (Reason.UNTRUSTED_ROOT, _untrusted_root),
    "PSS with a short salt": (Reason.UNSUPPORTED_ALGORITHM, _pss(_SHORT_SALT)),
    "PSS with another mask": (Reason.UNSUPPORTED_ALGORITHM, _pss(_OTHER_MASK)),
    "PSS with SHA-1": (Reason.UNSUPPORTED_ALGORITHM, _pss(_SHA1)),
    "signing key too short": (
        Reason.WEAK_KEY,
        _amd(lambda amd: replace(amd, signing_key=rsa_key(9, bits=1024))),
    ),
    "signer is no CA": (Reason.ISSUER_NOT_CA, _signer_no_ca),
    # report
    "measurement bit": (Reason.BAD_SIGNATURE, _report(lambda report: flip_bit(report, octet=0x90))),
    "bytes beside the signature": (Reason.BAD_SIGNATURE, _report(lambda report: flip_bit(report, octet=-1))),
    "key of another machine": (Reason.BAD_SIGNATURE, _certificate(_foreign_key)),
    "other signature algorithm": (Reason.UNSUPPORTED_ALGORITHM, _fields(signature_algorithm=2)),
    "endorsement key on P-256": (Reason.UNSUPPORTED_ALGORITHM, _certificate(_wrong_curve)),
    "expired": (Reason.EXPIRED, _at(timedelta(days=400))),
    "not yet valid": (Reason.NOT_YET_VALID, _at(timedelta(days=-2))),
    # what the certificate says
    "no hardware identifier": (Reason.MISSING_EXTENSION, _endorsed(hardware_id=None)),
    "product name of another line": (Reason.MALFORMED, _endorsed(product_name="Genoa")),
    "VLEK claimed": (Reason.BINDING_MISMATCH, _fields(key_bits=SigningKey.VLEK << 2)),
    "signed by no key": (Reason.BINDING_MISMATCH, _fields(key_bits=SigningKey.NONE << 2)),
    "processor of another line": (Reason.BINDING_MISMATCH, _fields(cpuid=(0x19, 0x11, 1))),
    "signer of another line's root": (Reason.BINDING_MISMATCH, _other_root),
    "unknown processor": (Reason.BINDING_MISMATCH, _fields(cpuid=(0x1B, 0, 0))),
    "key of an older TCB": (Reason.BINDING_MISMATCH, _endorsed(tcb=Tcb(boot_loader=4, snp=23, microcode=219))),
    "TCB in the order of another line": (Reason.BINDING_MISMATCH, _turin_layout),
    "key of another chip": (Reason.CHIP_ID_MISMATCH, _other_chip),
    # binding
    "another challenge": (
        Reason.CHALLENGE_MISMATCH,
        lambda bench: replace(bench.case(), expectation=Expectation(b"another")),
    ),
    "key not named": (Reason.KEY_MISMATCH, _names_key),
    # policy
    "only a certificate": (Reason.KIND_NOT_ALLOWED, _key_only),
    "no leased keys": (Reason.KIND_NOT_ALLOWED, _policy(keys=frozenset({SigningKey.VLEK}))),
    "no CRL": (Reason.STATUS_LIST_MISSING, lambda bench: replace(bench.case(), collateral=Collateral())),
    "CRL of another line": (Reason.STATUS_LIST_MISSING, _other_crl),
    "revoked": (Reason.REVOKED, _crl(lambda bench: {"revoked": {ASK_SERIAL: bench.now}})),
    "old CRL": (Reason.STALE_COLLATERAL, _crl(lambda bench: {"end": bench.now - timedelta(hours=1)})),
    "CRL of somebody else": (Reason.BAD_COLLATERAL_SIGNATURE, _crl(lambda _: {"signer": rsa_key(2)})),
    "product not allowed": (Reason.PRODUCT_NOT_ALLOWED, _policy(products=frozenset({Product.TURIN}))),
    "debugging allowed": (Reason.DEBUG_POLICY, _fields(policy=_POLICY | GuestPolicy.DEBUG)),
    "migration allowed": (Reason.GUEST_POLICY_NOT_ALLOWED, _fields(policy=_POLICY | GuestPolicy.MIGRATE_MA)),
    "migration agent": (Reason.GUEST_POLICY_NOT_ALLOWED, _fields(report_id_ma=bytes(32))),
    "reserved bit clear": (Reason.GUEST_POLICY_NOT_ALLOWED, _fields(policy=GuestPolicy.SMT)),
    "SMT allowed": (Reason.GUEST_POLICY_NOT_ALLOWED, _policy(forbidden_guest_policy=GuestPolicy.SMT)),
    "more than one socket": (
        Reason.GUEST_POLICY_NOT_ALLOWED,
        _policy(required_guest_policy=GuestPolicy.SINGLE_SOCKET),
    ),
    "old ABI": (Reason.GUEST_POLICY_NOT_ALLOWED, _policy(min_abi=(1, 0))),
    "no ciphertext hiding": (
        Reason.PLATFORM_NOT_ALLOWED,
        _policy(required_platform=PlatformInfo.CIPHERTEXT_HIDING_DRAM_EN),
    ),
    "SMT on": (Reason.PLATFORM_NOT_ALLOWED, _policy(forbidden_platform=PlatformInfo.SMT_EN)),
    "mitigations missing": (Reason.PLATFORM_NOT_ALLOWED, _policy(required_mitigations=1)),
    "asked by the host": (Reason.VMPL_NOT_ALLOWED, _fields(vmpl=0xFFFFFFFF)),
    "other privilege level": (Reason.VMPL_NOT_ALLOWED, _policy(vmpls=frozenset({1}))),
    "chip masked": (Reason.CHIP_ID_MASKED, _fields(chip_id=bytes(64))),
    "firmware below its floor": (
        Reason.TCB_TOO_OLD,
        _policy(tcb_floors=(TcbFloor(Product.MILAN, Tcb(microcode=220)),)),
    ),
    "no floor for the line": (Reason.TCB_TOO_OLD, _policy(tcb_floors=(TcbFloor(Product.TURIN, Tcb()),))),
    "launched on old firmware": (
        Reason.TCB_TOO_OLD,
        lambda bench: replace(
            bench.case(bench.machine.changed(launch_tcb=bytes(8))),
            policy=Policy(amd_sev_snp=AmdSevSnpPolicy(tcb_floors=(TcbFloor(Product.MILAN, Tcb(microcode=1)),))),
        ),
    ),
    "reported above committed": (Reason.TCB_TOO_OLD, _fields(committed_tcb=bytes(8))),
    "another measurement": (Reason.MEASUREMENT_MISMATCH, _policy(measurements=frozenset({bytes(48)}))),
    "another host data": (Reason.MEASUREMENT_MISMATCH, _policy(host_data=frozenset({b"\1" * 32}))),
    "another signer": (Reason.IDENTITY_NOT_ALLOWED, _policy(id_key_digests=frozenset({b"\1" * 48}))),
    "another author": (Reason.IDENTITY_NOT_ALLOWED, _policy(author_key_digests=frozenset({b"\1" * 48}))),
    "another family": (Reason.IDENTITY_NOT_ALLOWED, _policy(family_ids=frozenset({b"\1" * 16}))),
    "another image": (Reason.IDENTITY_NOT_ALLOWED, _policy(image_ids=frozenset({b"\1" * 16}))),
    "another chip": (Reason.IDENTITY_NOT_ALLOWED, _policy(chip_ids=frozenset({b"\1" * 64}))),
    "another cloud": (Reason.IDENTITY_NOT_ALLOWED, _policy(csp_ids=frozenset({"CN=cc.other.example"}))),
    "old guest": (Reason.IDENTITY_NOT_ALLOWED, _policy(min_guest_svn=2)),
}
