"""Who signs: a version with all that is the same for each of its signatures, and the memory of those used lately."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

from hsm.material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
)
from hsm.provider import (
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
    SignRequest,
)
from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import KeyName
from kms.keys.attestation_gate import AttestationGate, gate_document
from kms.keys.entries import EntryForm
from kms.keys.inputs import Prepared
from kms.keys.model import Key, KeyPurpose, KeyVersion, key_binding
from kms.keys.resolve import KeyReference


@dataclass(frozen=True)
class SigningKey:
    """A version that could sign when it was read. `revision`: of its key then."""

    version: KeyVersion
    purpose: KeyPurpose
    per_second: int | None
    revision: int
    gate: AttestationGate | None = None

    @classmethod
    def of(cls, key: Key, version: KeyVersion) -> "SigningKey":
        settings = key.settings
        return cls(version, key.purpose, settings.usage_limits.per_second, key.revision, settings.attestation_gate)

    @cached_property
    def key_name(self) -> KeyName:
        return self.version.name.key_name

    @cached_property
    def version_name(self) -> str:
        return str(self.version.name)

    @cached_property
    def gate_document(self) -> str | None:
        """As `VersionFacts.gate` has it."""
        return None if self.gate is None else gate_document(self.gate)

    @cached_property
    def protection(self) -> ProtectionLevel:
        return self.version.protection

    @cached_property
    def entry_form(self) -> EntryForm:
        return EntryForm(self.version.name, self.version.algorithm.title)

    @cached_property
    def _binding(self) -> bytes:
        return key_binding(self.version.name, self.purpose)

    def request(self, prepared: Prepared) -> SignRequest:
        """What the HSM is asked. Raises FailedPrecondition for a version that signs nothing (any more)."""
        material = self.version.usable_material
        match material:
            case CompositeKeyMaterial():
                return CompositeSignRequest(
                    material=material, digest=prepared.content, context=prepared.context, key_binding=self._binding
                )
            case MlDsaKeyMaterial() if prepared.is_message:
                return MlDsaSignRequest(
                    material=material, message=prepared.content, context=prepared.context, key_binding=self._binding
                )
            case MlDsaKeyMaterial():
                return MlDsaMuSignRequest(material=material, mu=prepared.content, key_binding=self._binding)
            case EcdsaKeyMaterial():
                return EcdsaSignRequest(material=material, digest=prepared.content)
            case Ed25519KeyMaterial():
                return Ed25519SignRequest(material=material, message=prepared.content)
            case _:
                raise FailedPrecondition(
                    Reason.PURPOSE_MISMATCH, f"{self.version_name} opens envelopes and signs nothing"
                )


class SigningKeys:
    """Which version signed last under a name. May be out of date: the commit decides. Bounded, oldest forgotten."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._keys: OrderedDict[KeyReference, SigningKey] = OrderedDict()

    def get(self, reference: KeyReference) -> SigningKey | None:
        return self._keys.get(reference)

    def put(self, reference: KeyReference, key: SigningKey) -> SigningKey:
        self._keys[reference] = key
        while len(self._keys) > self._limit:
            self._keys.popitem(last=False)
        return key

    def forget(self, reference: KeyReference) -> None:
        self._keys.pop(reference, None)
