"""A virtual AMD: root key and signing keys of one product line, endorsement keys, CRLs. All of it is thrown away."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.amd_collateral import AmdCollateral
from attestation.formats import sev_snp_key as oids
from attestation.formats.sev_snp_report import SigningKey
from attestation.formats.sev_snp_tcb import Product, Tcb
from attestation.model import Anchors, Format, TrustAnchor
from attestation.testing import asn1
from attestation.testing.certificates import (
    CertificateRequest,
    PrivateKey,
    ca_extensions,
    extension,
    issue,
    name,
    spki_of,
)
from attestation.testing.pss import AMD_PSS, Pss

ASK_SERIAL: Final = 0x10001
_YEARS: Final = timedelta(days=25 * 365)
_IA5: Final = 0x16


@cache
def rsa_key(number: int, *, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key for each number, made once in a process, because making them is slow."""
    assert number >= 0
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsed:
    """What an endorsement certificate says. `hardware_id` None leaves the extension out; so does `csp_id`."""

    kind: SigningKey
    product: Product
    product_name: str
    tcb: Tcb
    hardware_id: bytes | None = None
    csp_id: str | None = None

    def extensions(self) -> tuple[bytes, ...]:
        levels = [
            (oids.BOOT_LOADER, self.tcb.boot_loader),
            (oids.TEE, self.tcb.tee),
            (oids.SNP, self.tcb.snp),
            (oids.MICROCODE, self.tcb.microcode),
        ]
        if self.product is Product.TURIN:
            levels.append((oids.FMC, self.tcb.fmc))
        found = [extension(oids.PRODUCT_NAME, _ia5(self.product_name))]
        found += [extension(oid, asn1.integer(level)) for oid, level in levels]
        if self.hardware_id is not None:
            found.append(extension(oids.HARDWARE_ID, self.hardware_id))
        if self.csp_id is not None:
            found.append(extension(oids.CSP_ID, _ia5(self.csp_id)))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualAmd:
    """Root and signing keys of a product line. The signing key serves VCEKs and VLEKs, under its two names."""

    product: Product
    root_key: rsa.RSAPrivateKey
    signing_key: rsa.RSAPrivateKey
    now: datetime
    pss: Pss = AMD_PSS

    @classmethod
    def create(cls, product: Product, *, now: datetime, number: int = 0) -> Self:
        """With another number, other keys."""
        return cls(product=product, root_key=rsa_key(2 * number), signing_key=rsa_key(2 * number + 1), now=now)

    @property
    def root_name(self) -> bytes:
        return name(common=f"ARK-{self.product}", organization="Throw-away")

    def signer_name(self, kind: SigningKey) -> bytes:
        label = f"SEV-{self.product}" if kind is SigningKey.VCEK else f"SEV-VLEK-{self.product}"
        return name(common=label, organization="Throw-away")

    def root(self) -> bytes:
        """The self-signed certificate of the ARK."""
        return self._ca(self.root_name, self.root_key, serial=0x10000)

    def signer(
        self, kind: SigningKey, *, extensions: tuple[bytes, ...] | None = None, subject: bytes | None = None
    ) -> bytes:
        """The certificate of the ASK or ASVK, perhaps under another name."""
        return self._ca(subject or self.signer_name(kind), self.signing_key, serial=ASK_SERIAL, extensions=extensions)

    def endorse(self, endorsed: Endorsed, spki: bytes, *, lifetime: timedelta = timedelta(days=365)) -> bytes:
        """A VCEK or VLEK certificate, a day old."""
        request = CertificateRequest(
            subject=name(common=f"SEV-{endorsed.kind.name}", organization="Throw-away"),
            spki=spki,
            not_before=self.now - timedelta(days=1),
            not_after=self.now - timedelta(days=1) + lifetime,
            extensions=endorsed.extensions(),
            serial=0,
        )
        return issue(request, issuer=self.signer_name(endorsed.kind), signer=self.signing_key, pss=self.pss)

    def chain(self, kind: SigningKey) -> tuple[bytes, bytes]:
        return self.signer(kind), self.root()

    @property
    def anchors(self) -> Anchors:
        """Root and signing keys, each under the name it issues under."""
        named: dict[str, PrivateKey] = {
            f"ARK-{self.product}": self.root_key,
            f"SEV-{self.product}": self.signing_key,
            f"SEV-VLEK-{self.product}": self.signing_key,
        }
        return Anchors(tuple(self._anchor(common, key) for common, key in named.items()))

    def collateral(
        self,
        revoked: Mapping[int, datetime] | None = None,
        *,
        begin: datetime | None = None,
        end: datetime | None = None,
        signer: rsa.RSAPrivateKey | None = None,
    ) -> AmdCollateral:
        """The CRL of the product, a day old and good for a year, through the reader that AMD's take."""
        begin, end = begin or self.now - timedelta(days=1), end or self.now + timedelta(days=365)
        entries = [asn1.sequence(asn1.integer(serial), asn1.time(when)) for serial, when in (revoked or {}).items()]
        listed = (asn1.sequence(*entries),) if entries else ()
        identifier = self.pss.identifier()
        tbs = asn1.sequence(asn1.integer(1), identifier, self.root_name, asn1.time(begin), asn1.time(end), *listed)
        signature = self.pss.sign(signer or self.root_key, tbs)
        return AmdCollateral.parse([asn1.sequence(tbs, identifier, asn1.bits(signature))])

    def _ca(
        self, subject: bytes, key: rsa.RSAPrivateKey, *, serial: int, extensions: tuple[bytes, ...] | None = None
    ) -> bytes:
        request = CertificateRequest(
            subject=subject,
            spki=spki_of(key),
            not_before=self.now - _YEARS,
            not_after=self.now + _YEARS,
            extensions=ca_extensions() if extensions is None else extensions,
            serial=serial,
        )
        return issue(request, issuer=self.root_name, signer=self.root_key, pss=self.pss)

    def _anchor(self, common: str, key: PrivateKey) -> TrustAnchor:
        return TrustAnchor(
            name=f"virtual-{common.lower()}",
            formats=frozenset({Format.AMD_SEV_SNP}),
            spki=spki_of(key),
            source="made by attestation.testing, trusted by nobody else",
            common_name=common,
        )


def _ia5(text: str) -> bytes:
    return asn1.tlv(_IA5, text.encode("ascii"))
