"""Certificate revocation lists (RFC 5280, 5): who issued one, for which time, which serials it revokes, who signed it.

Vendors publish theirs as DER: Intel's PCK and root CRLs, AMD's per product, makers of TPMs theirs. A list counts only
after `Crl.check_signature` with the key of the CA it speaks for; `Crl.fresh` takes the time as an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from attestation import der
from attestation.der import CONTEXT, Element, Type
from attestation.errors import CollateralError, EvidenceError
from attestation.reasons import Reason
from attestation.signatures import verify_signature
from attestation.status import MAX_CLOCK_SKEW
from attestation.x509 import Name, parse_name

MAX_CRL_BYTES: Final = 1024 * 1024
MAX_ENTRIES: Final = 40_000
MAX_EXTENSIONS: Final = 32

_CRL_V2: Final = 1
_SERIAL_OCTETS: Final = 32  # RFC 5280 allows 20; some CAs write more

# Critical extensions a reader must know (RFC 5280, 5.2): without them the list means something else than it seems.
_UNDERSTOOD: Final = frozenset({"2.5.29.20", "2.5.29.21", "2.5.29.35"})  # cRLNumber, reasonCode, authorityKeyIdentifier


@dataclass(frozen=True, slots=True)
class Crl:
    """A parsed list. `revoked` maps serials (lower-case hex without leading zeros, as in Certificate) to the time of
    revocation. `next_update` is None where the issuer promises none; such a list is never fresh.
    """

    issuer: Name
    this_update: datetime
    next_update: datetime | None
    revoked: Mapping[str, datetime]
    tbs: bytes
    inner_algorithm: bytes
    outer_algorithm: bytes
    signature: bytes
    sha256: str

    def revoked_at(self, serial: str) -> datetime | None:
        """When this serial (hex as in Certificate.serial) was revoked, or None."""
        return self.revoked.get(serial)

    def fresh(self, *, at: datetime) -> bool:
        """Issued before `at` (five minutes are allowed between clocks) and not to be replaced before it."""
        return self.this_update - at <= MAX_CLOCK_SKEW and self.next_update is not None and at <= self.next_update

    def age(self, *, at: datetime) -> timedelta:
        return at - self.this_update

    def check_signature(self, issuer_spki: bytes) -> None:
        """Verify with the issuer's key (DER SubjectPublicKeyInfo; ECDSA, RSA PKCS #1 v1.5 or PSS, ML-DSA).

        Raises EvidenceError with BAD_COLLATERAL_SIGNATURE, or UNSUPPORTED_ALGORITHM.
        """
        if self.inner_algorithm != self.outer_algorithm:
            detail = "the two signature algorithm fields of the CRL differ"
            raise EvidenceError(detail, reason=Reason.BAD_COLLATERAL_SIGNATURE)
        try:
            verify_signature(self.tbs, self.signature, algorithm=self.inner_algorithm, signer_spki=issuer_spki)
        except EvidenceError as error:
            unsupported = error.reason is Reason.UNSUPPORTED_ALGORITHM
            reason = Reason.UNSUPPORTED_ALGORITHM if unsupported else Reason.BAD_COLLATERAL_SIGNATURE
            raise EvidenceError(f"CRL: {error.detail}", reason=reason) from error


def signed_by(lists: Iterable[Crl], issuer_spki: bytes) -> tuple[list[Crl], EvidenceError | None]:
    """Those that this key signed, and what is wrong with the first of the others.

    Two CAs may bear one name, and a CA may have changed its key, so the name of an issuer only says which to try.
    """
    signed: list[Crl] = []
    problem: EvidenceError | None = None
    for crl in lists:
        try:
            crl.check_signature(issuer_spki)
        except EvidenceError as error:
            problem = problem or error
        else:
            signed.append(crl)
    return signed, problem


def parse_crl(data: bytes) -> Crl:
    """Read one DER CRL (v1 or v2) of at most 1 MiB; CollateralError says what is wrong with it."""
    if len(data) > MAX_CRL_BYTES:
        raise CollateralError(f"CRL of {len(data)} bytes, at most {MAX_CRL_BYTES}")
    try:
        return _parse(data)
    except EvidenceError as error:
        raise CollateralError(f"CRL: {error.detail}") from error


def _parse(data: bytes) -> Crl:
    parts = der.parse(data, relaxed=True).sequence()
    if len(parts) != 3:
        raise EvidenceError("not three parts")
    tbs, outer_algorithm, signature = parts
    fields = list(tbs.sequence())
    if fields and fields[0].is_a(Type.INTEGER) and fields.pop(0).integer() != _CRL_V2:
        raise EvidenceError("version is not 2")
    if len(fields) < 3:
        raise EvidenceError("fields are missing")
    inner_algorithm, issuer, this_update = fields[:3]
    rest = fields[3:]
    next_update = rest.pop(0).time() if rest and rest[0].tag_class != CONTEXT and _is_time(rest[0]) else None
    entries = rest.pop(0) if rest and rest[0].is_a(Type.SEQUENCE) else None
    _check_extensions(rest)
    return Crl(
        issuer=parse_name(issuer),
        this_update=this_update.time(),
        next_update=next_update,
        revoked=MappingProxyType({} if entries is None else _entries(entries)),
        tbs=tbs.raw,
        inner_algorithm=inner_algorithm.raw,
        outer_algorithm=outer_algorithm.raw,
        signature=signature.bits(),
        sha256=sha256(data).hexdigest(),
    )


def _is_time(element: Element) -> bool:
    return element.is_a(Type.UTC_TIME) or element.is_a(Type.GENERALIZED_TIME)


def _check_extensions(rest: list[Element]) -> None:
    """What is left of the list: nothing, or its extensions. A delta list or one of another scope is refused."""
    if not rest:
        return
    if len(rest) != 1 or rest[0].tag_class != CONTEXT or rest[0].number != 0:
        raise EvidenceError("fields that a CRL does not have")
    _refuse_unknown(rest[0].explicit())


def _refuse_unknown(extensions: Element) -> None:
    found = extensions.sequence()
    if len(found) > MAX_EXTENSIONS:
        raise EvidenceError(f"{len(found)} extensions, at most {MAX_EXTENSIONS}")
    for extension in found:
        fields = extension.sequence()
        if len(fields) not in (2, 3):
            raise EvidenceError("extension is not well formed")
        critical = len(fields) == 3 and fields[1].boolean(any_nonzero=True)
        if critical and fields[0].oid() not in _UNDERSTOOD:
            raise EvidenceError(f"critical extension {fields[0].oid()} is not known")


def _entries(entries: Element) -> dict[str, datetime]:
    """Serials and times. An entry for another issuer's certificate (an indirect CRL) is refused as unknown."""
    found: dict[str, datetime] = {}
    for entry in entries.sequence(limit=MAX_ENTRIES):
        fields = entry.sequence()
        if len(fields) not in (2, 3):
            raise EvidenceError("entry is not well formed")
        fields[0].integer()
        if len(fields[0].content) > _SERIAL_OCTETS:
            raise EvidenceError("serial is too long")
        if len(fields) == 3:
            _refuse_unknown(fields[2])
        found[fields[0].content.hex().lstrip("0") or "0"] = fields[1].time()
    return found
