"""How a version came to be: the record that goes into the log with its public key.

For auditors. The entries `key.created`, `key.rotated` (subject: the version) and `key.imported` have these details
beside the key's settings; `event_key` of the entry stands in the version as creation_event_key:

algorithm          title of the algorithm
public_key_sha256  of the SubjectPublicKeyInfo in DER (of the raw key for HPKE), hex
protection_level   HSM, HSM_WRAPPED, or IMPORTED whatever holds it now
origin             "generated": made by the token or its signer process; "imported": brought in with ImportKey
exportable         true: made so that it may leave, sealed, after approvals
halves             one or two of {"algorithm", "kept", "mechanism"}. kept "token": the private half is an object of the
                   token, mechanism is the PKCS#11 one it signs with. kept "sealed": the half is a 32-byte seed under a
                   key of the token that can not leave it, mechanism is that of the seal
token              {"manufacturer", "model"}; its serial number stands in the commitment token_serial (docs/log.md): the
                   hash of a short number would tell it to everybody who tries all of them

`key.imported` has too: wrapping_key (version that it was sealed to), envelope_sha256, exported_as (may be empty).
`key.exported` has: public_key_sha256, recipient_algorithm, recipient_sha256 (parameters_sha256 of the proposal),
envelope_sha256, proposal.
"""

from typing import assert_never

from hallmark_composite import EcCurve
from hsm.halves import MlDsaHalf, SealedSeed
from hsm.material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    HpkeKeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
)
from hsm.provider import HsmCapabilities
from kms.core.canonical import Json
from kms.keys.model import KeyVersion


def creation_record(version: KeyVersion, capabilities: HsmCapabilities) -> dict[str, Json]:
    """Beside `journal.version_details`, which has the rest of the members above."""
    return {
        "origin": version.origin.value,
        "exportable": version.exportable,
        "halves": _halves(version.usable_material),
        "token": {"manufacturer": capabilities.token_manufacturer, "model": capabilities.token_model},
    }


def creation_facts(capabilities: HsmCapabilities) -> dict[str, str]:
    """What goes into the log as commitments."""
    return {"token_serial": capabilities.token_serial}


def _halves(material: KeyMaterial) -> list[Json]:
    match material:
        case CompositeKeyMaterial(algorithm=algorithm):
            classical = _in_token(_ecdsa(algorithm.curve), "CKM_ECDSA")
            return [_ml_dsa(algorithm.ml_dsa.value, material.post_quantum), classical]
        case MlDsaKeyMaterial():
            return [_ml_dsa(material.parameter_set.value, material.post_quantum)]
        case EcdsaKeyMaterial():
            return [_in_token(_ecdsa(material.curve), "CKM_ECDSA")]
        case Ed25519KeyMaterial():
            return [_in_token("Ed25519", "CKM_EDDSA")]
        case HpkeKeyMaterial():
            return [_sealed(f"HPKE-{material.kem.standard_name}", material.post_quantum)]
        case _:
            assert_never(material)


def _ecdsa(curve: EcCurve) -> str:
    return f"ECDSA-{curve.value.replace('-', '')}"


def _ml_dsa(name: str, half: MlDsaHalf) -> Json:
    return _sealed(name, half) if isinstance(half, SealedSeed) else _in_token(name, "CKM_ML_DSA")


def _in_token(name: str, mechanism: str) -> Json:
    return {"algorithm": name, "kept": "token", "mechanism": mechanism}


def _sealed(name: str, half: SealedSeed) -> Json:
    return {"algorithm": name, "kept": "sealed", "mechanism": half.mechanism}
