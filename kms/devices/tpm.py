"""TPMs: credentials that only they can open (TPM2_MakeCredential), and what is known here of their keys.

CreateChallenge makes a credential for the EK and the AK that the caller names, with the challenge as its secret, and
keeps whom it was made for. AttestDevice judges what comes back with that in hand. Both keys are the caller's word until
then: whether the EK is a genuine TPM's is for the judge to say, by its certificate or because an operator enrolled it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from attestation.errors import AttestationError, EvidenceError
from attestation.formats import tpm_parts
from attestation.formats.tpm_chain import find_path
from attestation.formats.tpm_keys import check_ek
from attestation.model import Collateral, Evidence, Format
from attestation.signatures import load_key, weakness
from attestation.tpm_collateral import TpmCollateral
from attestation.tpm_credential import LOW_RANGE, P384_HIGH_RANGE, Credential, EkTemplate, make_credential
from attestation.tpm_structures import TpmPublic, parse_public
from kms.core.errors import InvalidArgument, Reason
from kms.core.randomness import Randomness
from kms.devices.model import MadeCredential, TpmEnrolment

EK_CERTIFICATES_MAX: Final = 7
CERTIFICATE_BYTES_MAX: Final = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmKeys:
    """Whom a credential is to be made for. Public areas are TPMT_PUBLIC."""

    ak_spki: bytes
    ak_name: bytes
    ek_spki: bytes
    ek_template: EkTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmKnowledge:
    """What this service knows of the TPM that evidence is from: the credential it made, the AK that opened one."""

    made: MadeCredential | None = None
    enrolment: TpmEnrolment | None = None

    def beside(self, collateral: Collateral) -> Collateral:
        """The collateral with it, for this evidence only."""
        if self.made is None and self.enrolment is None:
            return collateral
        tpm = collateral.tpm or TpmCollateral()
        if self.made is not None:
            tpm = replace(
                tpm,
                credential_name=self.made.ak_name,
                credential_ek=self.made.ek_spki,
                credential_sha256=self.made.sha256,
            )
        if self.enrolment is not None:
            tpm = replace(tpm, enrolled_names=tpm.enrolled_names | {self.enrolment.ak_name})
        return replace(collateral, tpm=tpm)


NO_KNOWLEDGE: Final = TpmKnowledge()


def read_tpm_keys(*, ek_certificates: Sequence[bytes], ek_public: bytes, ak_public: bytes) -> TpmKeys:
    """Raises InvalidArgument for keys that no credential can be made for."""
    _, ak_name, ak_spki = _public(ak_public, "tpm.ak_public")
    if not ek_certificates and not ek_public:
        raise _refused("name the EK by its certificate or its public area", "tpm.ek_public")
    certified = _certified(ek_certificates) if ek_certificates else b""
    spki, template = _public_ek(ek_public) if ek_public else (certified, _default_template(certified))
    if certified and certified != spki:
        raise _refused("the first certificate is for another EK than ek_public", "tpm.ek_certificates")
    if problem := weakness(spki):
        raise _refused(f"the EK {problem}", "tpm.ek_public" if ek_public else "tpm.ek_certificates")
    return TpmKeys(ak_spki=ak_spki, ak_name=ak_name, ek_spki=spki, ek_template=template)


def make_for(keys: TpmKeys, secret: bytes, randomness: Randomness) -> tuple[Credential, MadeCredential]:
    """A credential with this secret, and what to remember of it. Raises InvalidArgument for an EK that takes none."""
    try:
        credential = make_credential(
            keys.ek_spki, name=keys.ak_name, secret=secret, entropy=randomness.bytes, template=keys.ek_template
        )
    except AttestationError as error:
        raise _refused(f"no credential can be made for this EK: {error}", "tpm") from error
    made = MadeCredential(ak_name=keys.ak_name, ek_spki=keys.ek_spki, sha256=credential.sha256)
    return credential, made


def is_activation(evidence: Evidence) -> bool:
    """As attestation.formats.tpm tells its kinds apart."""
    return (
        evidence.format is Format.TPM
        and not evidence.named(tpm_parts.ATTEST)
        and bool(evidence.named(tpm_parts.ACTIVATED_SECRET))
    )


def stating_ak(evidence: Evidence) -> TpmPublic | None:
    """The AK whose statement this is: a quote, or a key that it certifies. Nothing is authenticated here."""
    areas = evidence.named(tpm_parts.AK_PUBLIC)
    if evidence.format is not Format.TPM or not evidence.named(tpm_parts.ATTEST) or len(areas) != 1:
        return None
    try:
        ak = parse_public(areas[0])
        return ak if ak.name and ak.spki else None
    except EvidenceError:
        return None


def _public(data: bytes, field: str) -> tuple[TpmPublic, bytes, bytes]:
    """With name and key."""
    try:
        public = parse_public(data)
        return public, public.name, public.spki
    except EvidenceError as error:
        raise _refused(f"is no TPMT_PUBLIC that this server can use: {error.detail}", field) from error


def _public_ek(data: bytes) -> tuple[bytes, EkTemplate]:
    ek, _, spki = _public(data, "tpm.ek_public")
    if findings := check_ek(ek):
        raise _refused(findings[0].detail, "tpm.ek_public")
    return spki, EkTemplate(ek.name_algorithm, ek.symmetric.key_bits)


def _certified(certificates: Sequence[bytes]) -> bytes:
    """The key of the first. EK certificates may be padded, as read from NV memory."""
    field = "tpm.ek_certificates"
    if len(certificates) > EK_CERTIFICATES_MAX or any(len(each) > CERTIFICATE_BYTES_MAX for each in certificates):
        raise _refused(f"at most {EK_CERTIFICATES_MAX} certificates of {CERTIFICATE_BYTES_MAX} bytes", field)
    try:
        return find_path(certificates[0], (), ()).leaf.spki
    except EvidenceError as error:
        raise _refused(f"the first is no certificate: {error.detail}", field) from error


def _default_template(spki: bytes) -> EkTemplate:
    """Where the TCG has one template for a kind of key (EK Credential Profile 2.5, annex B)."""
    try:
        key = load_key(spki)
    except EvidenceError as error:
        raise _refused(f"the EK: {error.detail}", "tpm.ek_certificates") from error
    match key:
        case rsa.RSAPublicKey() if key.key_size == 2048:
            return LOW_RANGE
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            return LOW_RANGE
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP384R1):
            return P384_HIGH_RANGE
        case _:
            sentence = "an EK of this kind can not be told from its certificate alone; name its public area too"
            raise _refused(sentence, "tpm.ek_public")


def _refused(sentence: str, field: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, f"{field}: {sentence}", field=field)
