"""The same files once more for `model_signing verify key`: a statement that lists whole files instead of shards.

The command line of OpenSSF Model Signing 1.1.1 compares folders by whole files only, whatever the statement says (its
own statements of shards fail there too; its Python interface reads ours). So a release gets one more bundle, to lie
beside a folder of plaintext. Devices never ask for it: it proves nothing that the statement of shards does not.
"""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hallmark_events.canonical import canonical_json
from hallmark_release.build import BuiltRelease
from hallmark_release.bundle import write_payload_bundle
from hallmark_release.statement import PREDICATE_TYPE, STATEMENT_TYPE


def files_payload(built: BuiltRelease) -> bytes:
    """In-toto statement, serialization "files", SHA-256 of each file in the order of paths."""
    resources = [{"algorithm": "sha256", "digest": part.sha256, "name": part.path} for part in built.index.parts]
    root = hashlib.sha256(b"".join(bytes.fromhex(part.sha256) for part in built.index.parts))
    serialization: dict[str, Any] = {"allow_symlinks": False, "hash_type": "sha256", "method": "files"}
    if built.statement.ignore_paths:
        serialization["ignore_paths"] = list(built.statement.ignore_paths)
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "predicate": {
                "release": built.statement.release.to_dict(),
                "resources": resources,
                "serialization": serialization,
            },
            "predicateType": PREDICATE_TYPE,
            "subject": [{"digest": {"sha256": root.hexdigest()}, "name": built.statement.release.model}],
        }
    )


def write_files_bundle(built: BuiltRelease, signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """signature: DER Ecdsa-Sig-Value over `dsse.pae(files_payload(built))`. Raises SignatureInvalid for another one."""
    return write_payload_bundle(files_payload(built), signature, key)
