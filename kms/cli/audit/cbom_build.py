"""A cryptography bill of materials (CBOM, CycloneDX 1.6) of one service: algorithms, keys, certificates, protocols, the
libraries behind them, and what rests on what. No secret and no key material is in it.
"""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

from cryptography import x509
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.crypto import (
    AlgorithmProperties,
    CertificateProperties,
    CryptoAssetType,
    CryptoProperties,
    ProtocolProperties,
    ProtocolPropertiesCipherSuite,
    ProtocolPropertiesType,
    RelatedCryptoMaterialProperties,
    RelatedCryptoMaterialSecuredBy,
    RelatedCryptoMaterialState,
    RelatedCryptoMaterialType,
)
from cyclonedx.model.license import LicenseExpression
from packageurl import PackageURL

from hallmark_client.model.enums import KeyVersionState, ProtectionLevel
from hallmark_client.model.keys import Key, KeyVersion
from kms.audit.certificates import facts_of
from kms.cli.audit.cbom_algorithms import SUITES, described
from kms.cli.audit.cbom_facts import Facts, Handshake
from kms.cli.audit.distribution import Package
from kms.cli.audit.documents import new_bom

INTERNAL: Final = {
    "SHA-256": "the log's tree (RFC 9162), commitments, digests of artifacts",
    "AES-256-GCM": "seals seeds under a key that never leaves the token",
    "Ed25519": "checkpoints of the log, beside ML-DSA-44",
    "ML-DSA-44": "checkpoints of the log, beside Ed25519",
}
"""What the service uses whatever keys it has, and for what."""
_STATES: Final = {
    KeyVersionState.PRE_ACTIVE: RelatedCryptoMaterialState.PRE_ACTIVATION,
    KeyVersionState.ACTIVE: RelatedCryptoMaterialState.ACTIVE,
    KeyVersionState.SUSPENDED: RelatedCryptoMaterialState.SUSPENDED,
    KeyVersionState.DEACTIVATED: RelatedCryptoMaterialState.DEACTIVATED,
    KeyVersionState.COMPROMISED: RelatedCryptoMaterialState.COMPROMISED,
    KeyVersionState.DESTROY_SCHEDULED: RelatedCryptoMaterialState.DEACTIVATED,
    KeyVersionState.DESTROYED: RelatedCryptoMaterialState.DESTROYED,
}
_KEPT: Final = {
    ProtectionLevel.HSM: "HSM",
    ProtectionLevel.HSM_WRAPPED: "sealed under an HSM key",
    ProtectionLevel.SOFTWARE: "Software",
}
"""Of an imported key the API does not say."""


class Cbom:
    """Builds one document: `algorithm` gives each algorithm one component, however many things rest on it."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._service = Component(
            name="hallmark", version=facts.capabilities.version, type=ComponentType.APPLICATION, bom_ref="service"
        )
        self._bom = new_bom(self._service)
        self._algorithms: dict[str, Component] = {}

    def build(self) -> Bom:
        facts = self._facts
        offered = [self.algorithm(each.value) for each in facts.capabilities.algorithms if each.value != "UNKNOWN"]
        used = [self.algorithm(name, purpose) for name, purpose in INTERNAL.items()]
        parts = [
            *offered,
            *used,
            *(self._key(key, version) for key in facts.keys for version in key.versions),
            *(self._certificate(role, each) for role, each in facts.certificates.items()),
            *(self._protocol(each) for each in facts.handshakes),
            *(_package(each, facts.openssl) for each in facts.packages.values()),
            *self._server_parts(),
        ]
        for part in parts:
            self._bom.components.add(part)
        self._bom.register_dependency(self._service, parts)
        return self._bom

    def algorithm(self, name: str, purpose: str = "") -> Component:
        if name in self._algorithms:
            return self._algorithms[name]
        known = described(name)
        component = self._algorithms[name] = Component(
            name=name,
            type=ComponentType.CRYPTOGRAPHIC_ASSET,
            bom_ref=f"algorithm:{name}",
            description=purpose or None,
            crypto_properties=CryptoProperties(
                asset_type=CryptoAssetType.ALGORITHM,
                algorithm_properties=AlgorithmProperties(
                    primitive=known.primitive,
                    parameter_set_identifier=known.parameters,
                    curve=known.curve,
                    crypto_functions=known.functions,
                    nist_quantum_security_level=known.level,
                ),
                oid=known.oid,
            ),
        )
        self._bom.components.add(component)
        self._bom.register_dependency(component, [self.algorithm(part) for part in known.parts])
        return component

    def _key(self, key: Key, version: KeyVersion) -> Component:
        algorithm = self.algorithm(key.algorithm.value)
        mechanism = _KEPT.get(version.protection_level)
        component = Component(
            name=version.name,
            type=ComponentType.CRYPTOGRAPHIC_ASSET,
            bom_ref=f"key:{version.name}",
            crypto_properties=CryptoProperties(
                asset_type=CryptoAssetType.RELATED_CRYPTO_MATERIAL,
                related_crypto_material_properties=RelatedCryptoMaterialProperties(
                    type=RelatedCryptoMaterialType.PRIVATE_KEY,
                    id=version.name,
                    state=_STATES.get(version.state),
                    algorithm_ref=algorithm.bom_ref,
                    creation_date=version.create_time,
                    activation_date=version.activate_time,
                    secured_by=RelatedCryptoMaterialSecuredBy(mechanism=mechanism) if mechanism else None,
                ),
            ),
            properties=[
                Property(name="hallmark:purpose", value=key.purpose.value),
                Property(name="hallmark:state", value=version.state.value),
                Property(name="hallmark:protection_level", value=version.protection_level.value),
                Property(name="hallmark:public_key_sha256", value=version.public_key_sha256),
            ],
        )
        self._bom.register_dependency(component, [algorithm])
        return component

    def _certificate(self, role: str, certificate: x509.Certificate) -> Component:
        facts = facts_of(certificate)
        key, signature = self.algorithm(facts.key), self.algorithm(facts.signature)
        component = Component(
            name=f"certificate of the {role}" if role == "server" else role,
            type=ComponentType.CRYPTOGRAPHIC_ASSET,
            bom_ref=f"certificate:{role}",
            crypto_properties=CryptoProperties(
                asset_type=CryptoAssetType.CERTIFICATE,
                certificate_properties=CertificateProperties(
                    subject_name=certificate.subject.rfc4514_string(),
                    issuer_name=certificate.issuer.rfc4514_string(),
                    not_valid_before=certificate.not_valid_before_utc,
                    not_valid_after=certificate.not_valid_after_utc,
                    signature_algorithm_ref=signature.bom_ref,
                    certificate_format="X.509",
                ),
            ),
        )
        self._bom.register_dependency(component, [key, signature])
        return component

    def _protocol(self, handshake: Handshake) -> Component:
        suite = [self.algorithm(name) for name in SUITES.get(handshake.suite, ())]
        groups = [self.algorithm(name) for name in self._groups()] if handshake.version == "1.3" else []
        component = Component(
            name=f"TLS {handshake.version}",
            type=ComponentType.CRYPTOGRAPHIC_ASSET,
            bom_ref=f"protocol:tls-{handshake.version}",
            crypto_properties=CryptoProperties(
                asset_type=CryptoAssetType.PROTOCOL,
                protocol_properties=ProtocolProperties(
                    type=ProtocolPropertiesType.TLS,
                    version=handshake.version,
                    cipher_suites=[
                        ProtocolPropertiesCipherSuite(
                            name=handshake.suite, algorithms=[each.bom_ref for each in (*suite, *groups)]
                        )
                    ],
                ),
            ),
        )
        self._bom.register_dependency(component, [*suite, *groups])
        return component

    def _groups(self) -> list[str]:
        """Key exchange groups of TLS 1.3 that sessions had, this one among them."""
        seen = {each.algorithm for each in self._facts.coverage.sessions if " " not in each.algorithm}
        return sorted({*seen, self._facts.capabilities.tls_group} - {"", "unknown"})

    def _server_parts(self) -> Iterable[Component]:
        """What only the server knows: its post-quantum engines and its token."""
        for engine in self._facts.capabilities.engines:
            uses = {"signs": engine.signs, "verifies": engine.verifies_releases}
            yield Component(
                name=engine.name,
                version=engine.version,
                type=ComponentType.LIBRARY,
                bom_ref=f"engine:{engine.name}",
                description="post-quantum engine of the signer processes",
                properties=[Property(name=f"hallmark:{name}", value=str(on).lower()) for name, on in uses.items()],
            )
        hsm = self._facts.capabilities.hsm
        if hsm.module:
            yield Component(
                name=PurePath(hsm.module).name,
                type=ComponentType.LIBRARY,
                bom_ref="pkcs11-module",
                description=f"PKCS#11 module of the token {hsm.token_label} ({hsm.token_model})",
                properties=[Property(name="hallmark:native_mldsa", value=str(hsm.native_mldsa).lower())],
            )


def _package(package: Package, openssl: str) -> Component:
    bundled = [Property(name="hallmark:bundles", value=openssl)] if package.name == "cryptography" else []
    url = PackageURL("pypi", None, package.name, package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=url,
        licenses=[LicenseExpression(package.licence)] if package.licence else [],
        properties=bundled,
    )
