"""TPM rows that are certificates: EK or AK certificates in .der files, perhaps issuers, perhaps a root in .pem."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from attestation.anchors_tpm import AK, EK, TPM
from attestation.case import Case
from attestation.errors import EvidenceError
from attestation.formats.tpm_chain import EK_CERTIFICATE_USAGE, extended_usages, find_path, key_usage_bits
from attestation.formats.tpm_parts import certificates
from attestation.model import Anchors, Collateral, Evidence, Expectation, Format, TrustAnchor
from attestation.policy import Policy
from attestation.policy_tpm import TpmKind, TpmPolicy
from attestation.samples.row_values import certificates_in
from attestation.samples.sample import Folder, Row, Sample
from attestation.samples.tpm_row import sample_time
from attestation.tpm_collateral import TpmCollateral
from attestation.x509 import Certificate, parse_certificate

_CERTIFICATES: Final = Policy("strict, certificates alone", tpm=TpmPolicy(kinds=frozenset({TpmKind.CERTIFICATE})))
_NO_CHALLENGE: Final = Expectation(b"certificates carry no challenge")
_DIGITAL_SIGNATURE: Final = 0


def load_certificates(row: Row, folder: Folder) -> Sample:
    """Leaves are files ending in .der that are no CA. A root of the row is configured; other CAs help to climb."""
    leaves: list[bytes] = []
    issuers: list[bytes] = []
    for name in folder.files(row, ending=".der"):
        data = folder.read(name)
        (issuers if _is_ca(data) else leaves).append(data)
    roots: list[Certificate] = []
    for name in folder.files(row, ending=".pem"):
        for certificate in _read(folder.path / name):
            if certificate.self_issued:
                roots.append(certificate)
            else:
                issuers.append(certificate.der)
    eks = [data for data in leaves if _is_ek(data)]
    ak = next((data for data in leaves if data not in eks), None)
    issuers += _folder_issuers(leaves, folder, known=issuers)
    evidence = certificates(ek=eks, ak=ak, intermediates=issuers)
    anchors = Anchors((*TPM.items, *(_configured(root) for root in roots)))
    collateral = Collateral(tpm=TpmCollateral(enrolled_certificates=_enrolled(ak, evidence, anchors)))
    strict = Case(evidence, _NO_CHALLENGE, anchors, collateral, _CERTIFICATES, sample_time(row))
    every = TpmCollateral(enrolled_certificates=frozenset(sha256(data).digest() for data in leaves))
    return Sample(strict, replace(strict, collateral=Collateral(tpm=every)))


def _leaf(data: bytes) -> Certificate | None:
    try:
        return find_path(data, (), ()).leaf
    except EvidenceError:
        return None


def _is_ca(data: bytes) -> bool:
    leaf = _leaf(data)
    try:
        return leaf is not None and leaf.basic_constraints().ca
    except EvidenceError:
        return False


def _is_ek(data: bytes) -> bool:
    """By its extended key usage, else by a key usage without signing. What cannot be read is judged as an EK."""
    leaf = _leaf(data)
    if leaf is None:
        return True
    try:
        return EK_CERTIFICATE_USAGE in extended_usages(leaf) or _DIGITAL_SIGNATURE not in key_usage_bits(leaf)
    except EvidenceError:
        return True


def _folder_issuers(leaves: list[bytes], folder: Folder, *, known: list[bytes]) -> list[bytes]:
    """Certificates among the folder's roots that a leaf names as its issuer. Only anchors make them trusted."""
    wanted = {leaf.issuer for data in leaves if (leaf := _leaf(data))}
    have = {parse_certificate(data).subject for data in known}
    found: dict[bytes, bytes] = {}
    for path in sorted((folder.path / "roots").rglob("*.*")):
        for certificate in _read(path):
            if certificate.subject in wanted - have and not certificate.self_issued:
                found[certificate.spki] = certificate.der
    return list(found.values())


def _read(path: Path) -> tuple[Certificate, ...]:
    try:
        return tuple(parse_certificate(der) for der in certificates_in(path.read_bytes()))
    except EvidenceError:
        return ()


def _configured(root: Certificate) -> TrustAnchor:
    return TrustAnchor(
        "configured-root", frozenset({Format.TPM}), root.spki, "named by the row", uses=frozenset({EK, AK})
    )


def _enrolled(ak: bytes | None, evidence: Evidence, anchors: Anchors) -> frozenset[bytes]:
    """Device makers' own CAs (IDevID, IAK) are in no table: where no CA at hand issued an AK certificate, the verifier
    is one that enrolled this certificate. EK certificates get no such help: their makers are known.
    """
    if ak is None or _leaf(ak) is None:
        return frozenset()
    issuers = evidence.named("certificate")
    path = find_path(ak, issuers, anchors.for_use(Format.TPM, AK))
    return frozenset() if path.anchor or path.broken else frozenset({sha256(ak).digest()})
