"""A virtual maker of SGX and TDX platforms with a throw-away root, and platforms that make quotes.

    maker = VirtualIntel.create(now=now)
    platform = maker.platform(now=now)
    quote = platform.quote(TdState(), report_data=challenge)

Collateral for them is in attestation.testing.intel_pcs.
"""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.formats.intel_endorsements import TCB_SIGNING
from attestation.formats.intel_pck import SGX_EXTENSION
from attestation.formats.intel_quote import Tee
from attestation.model import Anchors, Format, TrustAnchor
from attestation.testing import asn1
from attestation.testing.certificates import (
    CertificateRequest,
    KeyKind,
    PrivateKey,
    ca_extensions,
    extension,
    issue,
    name,
    new_key,
    spki_of,
)
from attestation.testing.intel_quote import TD_QE, EnclaveState, QuoteForm, TdState, signature_part, signed_part
from attestation.testing.phone import Issuer
from attestation.testing.vendor import TEN_YEARS

FMSPC: Final = bytes.fromhex("10a06f020000")
PPID: Final = bytes(range(0x20, 0x30))
COMPONENTS: Final = (4, 4, 2, 2, 3, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0)
PCE_SVN: Final = 13
PLATFORM_CA: Final = "Intel SGX PCK Platform CA"
PROCESSOR_CA: Final = "Intel SGX PCK Processor CA"


def pck_extension(*, fmspc: bytes = FMSPC, components: tuple[int, ...] = COMPONENTS, ppid: bytes = PPID) -> bytes:
    """The SGX extension of a PCK certificate."""
    svns = [_pair(f"2.{index}", asn1.integer(svn)) for index, svn in enumerate((*components, PCE_SVN), start=1)]
    value = asn1.sequence(
        _pair("1", asn1.octets(ppid)),
        _pair("2", asn1.sequence(*svns, _pair("2.18", asn1.octets(bytes(components))))),
        _pair("3", asn1.octets(bytes(2))),
        _pair("4", asn1.octets(fmspc)),
        _pair("5", asn1.enumerated(0)),
    )
    return extension(SGX_EXTENSION, value)


def _pair(suffix: str, value: bytes) -> bytes:
    return asn1.sequence(asn1.oid(f"{SGX_EXTENSION}.{suffix}"), value)


def pem(chain: tuple[bytes, ...]) -> bytes:
    blocks = (base64.encodebytes(der) for der in chain)
    return b"".join(b"-----BEGIN CERTIFICATE-----\n" + block + b"-----END CERTIFICATE-----\n" for block in blocks)


def sign_raw(key: PrivateKey, message: bytes) -> bytes:
    """ECDSA with SHA-256 as r and s of 32 bytes each."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


@dataclass(frozen=True, slots=True)
class VirtualPlatform:
    """A processor with its PCK certificate, and a quoting enclave with an attestation key."""

    pck: Issuer
    attestation_key: PrivateKey

    def quote(
        self,
        state: EnclaveState | TdState,
        *,
        report_data: bytes,
        chain: tuple[bytes, ...] | None = None,
        signer: PrivateKey | None = None,
        **form: Any,
    ) -> bytes:
        """A quote with padding or without. `form` are fields of QuoteForm; `signer` signs the quote in place of the
        attestation key that the quoting enclave vouches for; `chain` replaces the PCK chain.
        """
        tee = Tee.TDX if isinstance(state, TdState) else Tee.SGX
        wanted = QuoteForm(**({"qe": TD_QE} if tee is Tee.TDX else {}) | form)
        signed = signed_part(wanted, tee, state.pack(report_data))
        public = self.attestation_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        qe_report = wanted.qe.pack(sha256(public + wanted.auth_data).digest())
        certification = pem(self.pck.chain if chain is None else chain) + b"\0"
        signatures = signature_part(
            wanted,
            signature=sign_raw(signer or self.attestation_key, signed),
            key=public,
            qe_report=qe_report,
            qe_signature=sign_raw(self.pck.key, qe_report),
            certification=certification,
        )
        return signed + signatures + wanted.trailing


@dataclass(frozen=True, slots=True)
class VirtualIntel:
    """Root, CAs of both kinds of platforms, and the signer of TCB info and identities."""

    root: Issuer
    cas: dict[str, Issuer]
    tcb_signer: Issuer

    @classmethod
    def create(cls, *, now: datetime) -> Self:
        key, subject = new_key(KeyKind.EC_P256), name(common="Virtual SGX Root CA", organization="Throw-away")
        begin, end = now - timedelta(days=365), now + TEN_YEARS
        request = CertificateRequest(
            subject=subject, spki=spki_of(key), not_before=begin, not_after=end, extensions=ca_extensions()
        )
        root = Issuer(subject, key, (issue(request, issuer=subject, signer=key),))
        cas = {
            common: root.issue_ca(
                name(common=common), new_key(KeyKind.EC_P256),
                begin=begin, end=end, extensions=ca_extensions(path_length=0),
            )
            for common in (PLATFORM_CA, PROCESSOR_CA)
        }  # fmt: skip
        signer = root.issue_ca(
            name(common=TCB_SIGNING), new_key(KeyKind.EC_P256), begin=begin, end=end, extensions=(pck_extension(),)
        )
        return cls(root, cas, signer)

    @property
    def anchors(self) -> Anchors:
        """What a verifier must be given to believe this maker."""
        anchor = TrustAnchor(
            name="virtual-intel",
            formats=frozenset({Format.INTEL_SGX, Format.INTEL_TDX}),
            spki=spki_of(self.root.key),
            source="made by attestation.testing, trusted by nobody else",
        )
        return Anchors((anchor,))

    def platform(
        self,
        *,
        now: datetime,
        ca: Issuer | None = None,
        extensions: tuple[bytes, ...] | None = None,
        begin: datetime | None = None,
    ) -> VirtualPlatform:
        """A new platform, certified for a year from `begin` (default: yesterday)."""
        begin = begin or now - timedelta(days=1)
        pck = (ca or self.cas[PLATFORM_CA]).issue_ca(
            name(common="Intel SGX PCK Certificate"), new_key(KeyKind.EC_P256),
            begin=begin, end=begin + timedelta(days=365),
            extensions=(pck_extension(),) if extensions is None else extensions,
        )  # fmt: skip
        return VirtualPlatform(pck, new_key(KeyKind.EC_P256))
