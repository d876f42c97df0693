"""Trust anchors: the vendors' own as a built-in table, and those a tenant adds. An anchor is a key, no certificate.

A tenant's anchor counts for that tenant only. Built-in ones cannot be removed; the policy says which formats count.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from attestation.anchors import GOOGLE
from attestation.anchors_amd import AMD
from attestation.anchors_apple import APPLE
from attestation.anchors_aws import AWS_NITRO
from attestation.anchors_intel import INTEL
from attestation.anchors_nvidia import NVIDIA
from attestation.anchors_tpm import AK, EK, TPM
from attestation.anchors_webauthn import WEBAUTHN
from attestation.digests import canonical_json
from attestation.errors import EvidenceError
from attestation.formats.sev_snp_key import ISSUERS, root_name
from attestation.formats.sev_snp_tcb import Product
from attestation.model import METADATA, RECEIPT, Anchors, Format, TrustAnchor
from attestation.signatures import load_key
from kms.core.canonical import Json
from kms.core.errors import InvalidArgument, NotFound, Reason
from kms.core.names import ID_PATTERN
from kms.log.model import LogPromise

BUILT_IN: Final = Anchors(
    tuple(anchor for table in (GOOGLE, APPLE, INTEL, AMD, AWS_NITRO, TPM, NVIDIA, WEBAUTHN) for anchor in table.items)
)
SPKI_BYTES_MAX: Final = 8 * 1024
OWN_ANCHORS_MAX: Final = 200
USES: Final = {
    Format.ANDROID_KEY: frozenset({"android-key"}),
    Format.APPLE_APP_ATTEST: frozenset({"attestation", RECEIPT}),
    Format.TPM: frozenset({AK, EK}),
    Format.WEBAUTHN: frozenset({"android-key", "apple", "fido-u2f", "packed", "tpm", METADATA}),
}
"""The chains that `uses` can narrow an anchor to. The other formats have chains of one kind only."""
AMD_NAMES: Final = frozenset({*map(root_name, Product), *ISSUERS})
"""The names under which AMD's keys issue; a key of any other is never looked for."""
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._/-]{0,126})")
_NAME: Final = re.compile(rf"tenants/({ID_PATTERN})/anchors/([0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True)
class AnchorName:
    """tenants/{tenant}/anchors/{SHA-256 of the SubjectPublicKeyInfo, hex}."""

    tenant: str
    spki_sha256: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/anchors/{self.spki_sha256}"

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        found = _NAME.fullmatch(text)
        if found is None:
            shape = "tenants/{tenant}/anchors/{sha256 of the key, hex}"
            raise InvalidArgument(Reason.NAME_INVALID, f"{field} must look like {shape}", field=field)
        return cls(found[1], found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAnchor:
    """An anchor as a tenant sees it. `create_time` is None for those built in or named in the server's settings."""

    name: AnchorName
    anchor: TrustAnchor
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorAnswer:
    """What AddAnchor and RemoveAnchor remember for a replay."""

    anchor: OwnAnchor
    promise: LogPromise


def anchor_name(tenant: str, anchor: TrustAnchor) -> AnchorName:
    return AnchorName(tenant, anchor.spki_sha256)


def read_key(data: bytes, what: str) -> bytes:
    """The DER SubjectPublicKeyInfo in a certificate or public key, PEM or DER; only the key counts. ValueError."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in data:
            return _spki(x509.load_pem_x509_certificate(data).public_key())
        if b"-----BEGIN" in data:
            return _spki(load_pem_public_key(data))
        try:
            return _spki(x509.load_der_x509_certificate(data).public_key())
        except ValueError:
            load_key(data)
            return data
    except Exception as error:  # cryptography raises several kinds for foreign bytes
        raise ValueError(f"{what} is neither a certificate nor a public key, in PEM or DER") from error


def android_anchor(pem: bytes, source: str) -> TrustAnchor:
    """An extra root for Android evidence, as settings name it. Raises ValueError."""
    return TrustAnchor(name=source, formats=frozenset({Format.ANDROID_KEY}), spki=read_key(pem, source), source=source)


def check_anchor(anchor: TrustAnchor) -> TrustAnchor:
    """What a caller may add. Raises InvalidArgument."""
    if not _LABEL.fullmatch(anchor.name):
        raise _invalid("display_name", "1 to 127 letters, digits, spaces, dots, slashes or hyphens")
    if not anchor.formats:
        raise _invalid("formats", "at least one format of evidence that the key may vouch for")
    _check_uses(anchor)
    if anchor.not_before and anchor.not_after and anchor.not_before >= anchor.not_after:
        raise _invalid("not_after", "later than not_before")
    if len(anchor.common_name or "") > 200:
        raise _invalid("common_name", "at most 200 characters")
    if Format.AMD_SEV_SNP in anchor.formats and anchor.common_name not in AMD_NAMES:
        names = ", ".join(sorted(AMD_NAMES))
        raise _invalid("common_name", f"for {Format.AMD_SEV_SNP} the name under which the key issues: {names}")
    if len(anchor.spki) > SPKI_BYTES_MAX:
        raise _invalid("spki", f"at most {SPKI_BYTES_MAX} bytes")
    try:
        load_key(anchor.spki)
    except EvidenceError as error:
        raise _invalid("spki", f"a DER SubjectPublicKeyInfo that can be used ({error.detail})") from error
    return anchor


def _check_uses(anchor: TrustAnchor) -> None:
    """Each use is one of some format's, and each format that knows uses has one; else the anchor would never count."""
    if not anchor.uses:
        return
    known = [USES.get(form, frozenset()) for form in sorted(anchor.formats)]
    if not anchor.uses <= frozenset().union(*known):
        rule = ", ".join(sorted(frozenset().union(*known))) or "left out, for these formats have chains of one kind"
        raise _invalid("uses", f"for these formats {rule}")
    for form in sorted(anchor.formats & USES.keys()):
        if not anchor.uses & USES[form]:
            raise _invalid("uses", f"at least one of {', '.join(sorted(USES[form]))}, or the key counts for no {form}")


def terms(anchor: TrustAnchor) -> bytes:
    """What approvers of an addition agree to, beside the key in the subject: SHA-256 over canonical JSON of formats,
    uses, common name, period, and whether it is a root.
    """
    limits = {
        "common_name": anchor.common_name,
        "formats": anchor.formats,
        "is_root": anchor.is_root,
        "not_after": anchor.not_after,
        "not_before": anchor.not_before,
        "uses": anchor.uses,
    }
    return sha256(canonical_json({name: _plain(value) for name, value in limits.items()}).encode()).digest()


def log_details(anchor: TrustAnchor) -> dict[str, Json]:
    return {
        "formats": [form.value for form in sorted(anchor.formats)],
        "spki_sha256": anchor.spki_sha256,
        "terms_sha256": terms(anchor).hex(),
        "uses": [*sorted(anchor.uses)],
    }


def not_there(name: AnchorName) -> NotFound:
    return NotFound(Reason.RESOURCE_NOT_FOUND, f"{name} was not found", resource=str(name))


def _plain(value: Any) -> Any:
    match value:
        case frozenset():
            return sorted(value)
        case datetime():
            return int(value.timestamp())
        case _:
            return value


def _spki(key: Any) -> bytes:
    data: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data


def _invalid(field: str, rule: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, f"{field} must be: {rule}", field=field)
