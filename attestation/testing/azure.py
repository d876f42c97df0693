"""Virtual machines of a virtual Azure: a TPM whose AK the report of the CPU vouches for, on SEV-SNP and on TDX."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.case import Case
from attestation.formats import azure_vtpm, tpm_parts
from attestation.formats.azure_hcl import REPORT_BYTES, HclTee
from attestation.formats.intel_quote import Tee
from attestation.formats.sev_snp_tcb import Product
from attestation.formats.tpm_quote import qualifying_data
from attestation.model import Anchors, Collateral, Evidence, Expectation, Part
from attestation.policy import Policy
from attestation.policy_tpm import PcrReference, TpmPolicy
from attestation.reasons import Reason
from attestation.testing import tpm_wire
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import spki_of
from attestation.testing.intel_bench import Bench as IntelBench
from attestation.testing.snp_machine import SnpMachine
from attestation.testing.tpm_bench import new_ec_key, new_spki
from attestation.testing.variant import Good, Variant
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker, rsa_key

CHALLENGE: Final = b"challenge of the evidence factory"

_HASH_TYPES: Final = {"sha256": 1, "sha384": 2, "sha512": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualVm:
    """A confidential VM. `host` is a machine with SEV-SNP or the bench of a TDX platform."""

    tpm: VirtualTpm
    host: SnpMachine | IntelBench
    now: datetime
    hash_name: str = "sha256"
    runtime: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, tee: HclTee, *, now: datetime) -> "VirtualVm":
        tpm = VirtualTpm.create(VirtualTpmMaker.create(now=now), ak=rsa_key(1))
        snp = tee is HclTee.SNP
        host = SnpMachine.create(Product.MILAN, now=now) if snp else IntelBench.create(Tee.TDX, now=now)
        return cls(tpm=tpm, host=host, now=now)

    @property
    def runtime_data(self) -> bytes:
        configuration = {"secure-boot": True, "vmUniqueId": "26F8BC30-774E-4290-8E7A-535F3B672AEE"}
        data = {"keys": [jwk(self.tpm.ak)], "vm-configuration": configuration, "user-data": "00" * 64}
        return json.dumps({**data, **self.runtime}).encode()

    @property
    def binding(self) -> bytes:
        """What the report of the TEE holds."""
        return hashlib.new(self.hash_name, self.runtime_data).digest()

    def hcl_report(
        self, *, report: bytes | None = None, runtime_data: bytes | None = None, kind: int | None = None
    ) -> bytes:
        if isinstance(self.host, SnpMachine):
            found, tee = report or self.host.report(self.binding), HclTee.SNP
        else:
            found, tee = report or bytes(128) + self.binding.ljust(64, b"\0"), HclTee.TDX
        data = runtime_data or self.runtime_data
        sizes = (20 + len(data), 1, tee if kind is None else kind, _HASH_TYPES[self.hash_name], len(data))
        tail = b"".join(size.to_bytes(4, "little") for size in sizes) + data
        head = b"HCLA" + b"".join(n.to_bytes(4, "little") for n in (1, 32 + REPORT_BYTES + len(tail), 2, 0)) + bytes(12)
        return head + found.ljust(REPORT_BYTES, b"\0") + tail + bytes(100)

    def attest(self, challenge: bytes = CHALLENGE, *, hcl_report: bytes | None = None) -> Evidence:
        single = self.tpm.quote(challenge)
        snp = self.host if isinstance(self.host, SnpMachine) else None
        return azure_vtpm.evidence(
            attest=single[tpm_parts.ATTEST],
            signature=single[tpm_parts.SIGNATURE],
            hcl_report=hcl_report or self.hcl_report(),
            registers=self.tpm.registers,
            td_quote=None if isinstance(self.host, SnpMachine) else self.host.quote(report_data=self.binding),
            certificates=(snp.certificate, *snp.amd.chain(snp.endorsed.kind)) if snp else (),
            event_log=single[tpm_parts.EVENT_LOG],
        )

    def case(self, evidence: Evidence | None = None) -> Case:
        """A case that is accepted, with the TEE maker's collateral."""
        if isinstance(self.host, SnpMachine):
            anchors, collateral = self.host.amd.anchors, Collateral(amd=self.host.amd.collateral())
        else:
            anchors, collateral = self.host.maker.anchors, self.host.collateral()
        return Case(
            evidence=evidence or self.attest(),
            expectation=Expectation(CHALLENGE),
            anchors=Anchors((*anchors.items, *self.tpm.maker.anchors("ak").items)),
            collateral=collateral,
            policy=Policy(),
            at=self.now,
        )


def jwk(key: tpm_wire.TpmKey, *, kid: str = "HCLAkPub") -> dict[str, Any]:
    """An RSA key as the runtime data write it; other keys give a JWK that nobody can use."""
    if not isinstance(key, rsa.RSAPrivateKey):
        return {"kid": kid, "kty": "EC", "key_ops": ["sign"]}
    numbers = key.public_key().public_numbers()
    n, e = (value.to_bytes((value.bit_length() + 7) // 8) for value in (numbers.n, numbers.e))
    encoded = {name: urlsafe_b64encode(value).rstrip(b"=").decode() for name, value in (("n", n), ("e", e))}
    return {"kid": kid, "kty": "RSA", "key_ops": ["sign"], **encoded}


def added(evidence: Evidence, *parts: Part) -> Evidence:
    """Evidence with more parts; those of the same name are replaced."""
    names = {part.name for part in parts}
    return replace(evidence, parts=(*(part for part in evidence.parts if part.name not in names), *parts))


def good(now: datetime) -> Iterator[Good]:
    for tee in HclTee:
        vm = VirtualVm.create(tee, now=now)
        case = vm.case()
        yield Good(f"{tee.name} quote", case)
        for hash_name in ("sha384", "sha512"):
            yield Good(f"{tee.name} runtime data by {hash_name}", replace(vm, hash_name=hash_name).case())
        key = new_spki()
        bound = vm.attest(qualifying_data(CHALLENGE, key_spki=key))
        yield Good(
            f"{tee.name} quote that binds a key", replace(case, evidence=bound, expectation=Expectation(CHALLENGE, key))
        )
        ak = spki_of(vm.tpm.ak)
        copies = (Part(azure_vtpm.RUNTIME_DATA, vm.runtime_data), Part(azure_vtpm.AK_KEY, ak))
        certificate = Part(tpm_parts.AK_CERTIFICATE, vm.tpm.ak_certificate(now=now))
        whole = replace(
            case, evidence=added(case.evidence, *copies, certificate), expectation=Expectation(CHALLENGE, ak)
        )
        yield Good(f"{tee.name} quote for the AK, with its certificate", whole)


def broken(now: datetime) -> Iterator[Variant]:
    for tee in HclTee:
        vm = VirtualVm.create(tee, now=now)
        for name, (reason, make) in BROKEN.items():
            yield Variant(f"{tee.name} {name}", reason, make(vm))


Maker = Callable[[VirtualVm], Case]


def _hcl(change: Callable[[VirtualVm], bytes]) -> Maker:
    return lambda vm: vm.case(vm.attest(hcl_report=change(vm)))


def _part(name: str, change: Callable[[VirtualVm, bytes], bytes]) -> Maker:
    def make(vm: VirtualVm) -> Case:
        case = vm.case()
        (found,) = case.evidence.named(name) or (b"",)
        return replace(case, evidence=added(case.evidence, Part(name, change(vm, found))))

    return make


def _runtime(**fields: Any) -> Maker:
    """Runtime data with other contents, which the TEE vouches for."""
    return lambda vm: replace(vm, runtime=fields).case()


def _edited(vm: VirtualVm) -> bytes:
    """The configuration edited behind the TEE's back."""
    return vm.hcl_report(runtime_data=vm.runtime_data.replace(b'"secure-boot": true', b'"secure-boot": 1   '))


def _own_ak(vm: VirtualVm) -> Case:
    """An attacker's AK in the runtime data, with a quote by it."""
    mine = replace(vm, tpm=replace(vm.tpm, ak=rsa_key(2)))
    report = vm.host.report(vm.binding) if isinstance(vm.host, SnpMachine) else None
    genuine = vm.case().evidence.named(azure_vtpm.TD_QUOTE)
    evidence = mine.attest(hcl_report=mine.hcl_report(report=report))
    return vm.case(added(evidence, *(Part(azure_vtpm.TD_QUOTE, quote) for quote in genuine)))


def _unsigned_tee(vm: VirtualVm) -> Case:
    """For a caller that trusts another maker."""
    if isinstance(vm.host, SnpMachine):
        other = replace(vm, host=SnpMachine.create(Product.MILAN, now=vm.now, number=1))
    else:
        other = replace(vm, host=IntelBench.create(Tee.TDX, now=vm.now))
    return replace(vm.case(), anchors=other.case().anchors)


def _certify(vm: VirtualVm) -> Case:
    single = vm.tpm.certify(new_ec_key(), CHALLENGE)
    parts = (Part(name, single[name]) for name in (tpm_parts.ATTEST, tpm_parts.SIGNATURE))
    return vm.case(added(vm.attest(), *parts))


def _for_another_challenge(vm: VirtualVm) -> Case:
    return vm.case(vm.attest(b"another challenge"))


def _register(vm: VirtualVm) -> Case:
    return vm.case(added(vm.attest(), Part("pcr.sha256.7", bytes(32))))


# name: (the reason that must come first, maker)
BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    "no HCL report": (Reason.MALFORMED, _hcl(lambda _: b"HCLA")),
    "HCL report of a wrong size": (Reason.MALFORMED, _hcl(lambda vm: flip_bit(vm.hcl_report(), octet=8))),
    "HCL report with a tail": (Reason.MALFORMED, _hcl(lambda vm: vm.hcl_report() + b"tail")),
    "VBS report": (Reason.UNSUPPORTED_ALGORITHM, _hcl(lambda vm: vm.hcl_report(kind=1))),
    "runtime data that are no JSON": (Reason.MALFORMED, _hcl(lambda vm: vm.hcl_report(runtime_data=b"{"))),
    "two AKs": (Reason.MALFORMED, lambda vm: _runtime(keys=[jwk(vm.tpm.ak)] * 2)(vm)),
    "AK of another kind": (Reason.UNSUPPORTED_ALGORITHM, _runtime(keys=[jwk(new_ec_key())])),
    "edited runtime data": (Reason.BINDING_MISMATCH, _hcl(_edited)),
    "AK of the attacker": (Reason.BINDING_MISMATCH, _own_ak),
    "other copy of the runtime data": (Reason.BINDING_MISMATCH, _part(azure_vtpm.RUNTIME_DATA, lambda *_: b"{}")),
    "other copy of the AK": (Reason.BINDING_MISMATCH, _part(azure_vtpm.AK_KEY, lambda *_: new_spki())),
    "certificate of another AK": (
        Reason.BINDING_MISMATCH,
        _part(tpm_parts.AK_CERTIFICATE, lambda vm, _: replace(vm.tpm, ak=rsa_key(2)).ak_certificate(now=vm.now)),
    ),
    "machine of another maker": (Reason.UNTRUSTED_ROOT, _unsigned_tee),
    "other signature": (Reason.BAD_SIGNATURE, _part(tpm_parts.SIGNATURE, lambda _, data: flip_bit(data, octet=40))),
    "edited quote": (Reason.BAD_SIGNATURE, _part(tpm_parts.ATTEST, lambda _, data: flip_bit(data, octet=-1))),
    "certification": (Reason.WRONG_TYPE, _certify),
    "other challenge": (Reason.CHALLENGE_MISMATCH, _for_another_challenge),
    "key that is not bound": (
        Reason.KEY_MISMATCH, lambda vm: replace(vm.case(), expectation=Expectation(CHALLENGE, new_spki()))
    ),
    "other register": (Reason.PCR_DIGEST_MISMATCH, _register),
    "register of another value": (
        Reason.MEASUREMENT_MISMATCH,
        lambda vm: replace(vm.case(), policy=Policy(tpm=TpmPolicy(pcrs=(PcrReference("sha256", 16, frozenset()),)))),
    ),
}  # fmt: skip
