"""A virtual machine host with SEV-SNP: it makes reports, field by field, and signs them with its endorsement key."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation.formats.sev_snp_evidence import evidence
from attestation.formats.sev_snp_report import NUMBER_BYTES, REPORT_BYTES, SIGNED_BYTES, GuestPolicy, SigningKey
from attestation.formats.sev_snp_tcb import Product, Tcb
from attestation.model import Evidence
from attestation.testing.amd import Endorsed, VirtualAmd
from attestation.testing.certificates import spki_of

MEASUREMENT: Final = bytes(range(48))
MILAN_TCB: Final = Tcb(boot_loader=4, tee=0, snp=24, microcode=219)
TURIN_TCB: Final = Tcb(fmc=1, boot_loader=2, tee=1, snp=4, microcode=75)

_CPUID: Final = {Product.MILAN: (0x19, 0x01, 1), Product.GENOA: (0x19, 0xA0, 2), Product.TURIN: (0x1A, 0x02, 1)}
_NAMES: Final = {Product.MILAN: "Milan-B0", Product.GENOA: "Genoa", Product.TURIN: "Turin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFields:
    """Values of a report; TCBs None are the reported one. `key_bits` are the four octets at 0x48."""

    version: int = 3
    guest_svn: int = 1
    policy: int = GuestPolicy.RESERVED_ONE | GuestPolicy.SMT | 0x1F
    family_id: bytes = bytes(16)
    image_id: bytes = bytes(16)
    vmpl: int = 0
    signature_algorithm: int = 1
    platform_info: int = 0x25
    key_bits: int = 0
    report_data: bytes = bytes(64)
    measurement: bytes = MEASUREMENT
    host_data: bytes = bytes(32)
    id_key_digest: bytes = bytes(48)
    author_key_digest: bytes = bytes(48)
    report_id: bytes = b"\x11" * 32
    report_id_ma: bytes = b"\xff" * 32
    reported_tcb: bytes = bytes(8)
    committed_tcb: bytes | None = None
    current_tcb: bytes | None = None
    launch_tcb: bytes | None = None
    cpuid: tuple[int, int, int] = (0, 0, 0)
    chip_id: bytes = bytes(64)
    mitigations: tuple[int, int] = (0, 0)

    def write(self) -> bytes:
        """The 672 octets that are signed."""
        octets = bytearray(SIGNED_BYTES)
        for offset, size, number in (
            (0x000, 4, self.version), (0x004, 4, self.guest_svn), (0x008, 8, self.policy), (0x030, 4, self.vmpl),
            (0x034, 4, self.signature_algorithm), (0x040, 8, self.platform_info), (0x048, 4, self.key_bits),
            (0x1F8, 8, self.mitigations[0]), (0x200, 8, self.mitigations[1]),
        ):  # fmt: skip
            octets[offset : offset + size] = number.to_bytes(size, "little")
        for offset, value in (
            (0x010, self.family_id), (0x020, self.image_id), (0x050, self.report_data), (0x090, self.measurement),
            (0x0C0, self.host_data), (0x0E0, self.id_key_digest), (0x110, self.author_key_digest),
            (0x140, self.report_id), (0x160, self.report_id_ma), (0x1A0, self.chip_id), (0x188, bytes(self.cpuid)),
            (0x038, self._tcb(self.current_tcb)), (0x180, self.reported_tcb),
            (0x1E0, self._tcb(self.committed_tcb)), (0x1F0, self._tcb(self.launch_tcb)),
            (0x1E8, bytes((1, 58, 1, 0, 1, 58, 1))),
        ):  # fmt: skip
            octets[offset : offset + len(value)] = value
        return bytes(octets)

    def _tcb(self, value: bytes | None) -> bytes:
        return self.reported_tcb if value is None else value


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpMachine:
    """A chip with an endorsement key that a virtual AMD certified."""

    amd: VirtualAmd
    key: ec.EllipticCurvePrivateKey
    endorsed: Endorsed
    fields: ReportFields
    certificate: bytes

    @classmethod
    def create(
        cls, product: Product, *, now: datetime, kind: SigningKey = SigningKey.VCEK, version: int = 3,
        number: int = 0,
    ) -> Self:  # fmt: skip
        """A new chip; with another number, one of another AMD."""
        amd = VirtualAmd.create(product, now=now, number=number)
        key = ec.generate_private_key(ec.SECP384R1())
        tcb = TURIN_TCB if product is Product.TURIN else MILAN_TCB
        chip = spki_of(key)[-64:]
        hardware_id = chip[:8] if product is Product.TURIN else chip
        leased = kind is SigningKey.VLEK
        endorsed = Endorsed(
            kind=kind,
            product=product,
            product_name=_NAMES[product],
            tcb=tcb,
            hardware_id=None if leased else hardware_id,
            csp_id="CN=cc.virtual.example" if leased else None,
        )
        fields = ReportFields(
            version=version,
            key_bits=kind << 2,
            reported_tcb=tcb.encode(product),
            chip_id=bytes(64) if leased else hardware_id.ljust(64, b"\0"),
            cpuid=_CPUID[product] if version > 2 else (0, 0, 0),
        )
        certificate = amd.endorse(endorsed, spki_of(key))
        return cls(amd=amd, key=key, endorsed=endorsed, fields=fields, certificate=certificate)

    def changed(self, **fields: Any) -> Self:
        """The machine with other values in its reports."""
        return replace(self, fields=replace(self.fields, **fields))

    def endorsed_as(self, **facts: Any) -> Self:
        """The machine with a certificate that says something else."""
        endorsed = replace(self.endorsed, **facts)
        return replace(self, endorsed=endorsed, certificate=self.amd.endorse(endorsed, spki_of(self.key)))

    def report(self, report_data: bytes) -> bytes:
        """A signed report of 1184 bytes; shorter report data is filled with zeros."""
        signed = replace(self.fields, report_data=report_data.ljust(64, b"\0")).write()
        r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA384())))
        numbers = b"".join(number.to_bytes(NUMBER_BYTES, "little") for number in (r, s))
        return (signed + numbers).ljust(REPORT_BYTES, b"\0")

    def attest(self, report_data: bytes) -> Evidence:
        """Report and whole chain."""
        return evidence(
            report=self.report(report_data), certificates=(self.certificate, *self.amd.chain(self.endorsed.kind))
        )
