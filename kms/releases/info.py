"""What the key of an artifact is sealed with: the HPKE info, which the device makes for itself and compares."""

import base64
import hashlib
from typing import Final

from kms.core.canonical import canonical_json
from kms.core.names import ChildName
from kms.devices.model import HpkeKey
from kms.releases.model import Release

PURPOSE: Final = "hallmark/artifact-key/v1"


def key_info(release: Release, device: ChildName, key: HpkeKey, nonce: bytes) -> bytes:
    """Canonical JSON, under 512 bytes: the envelope is good for this device, key, artifact, epoch and question only."""
    return canonical_json(
        {
            "artifact": str(release.artifact),
            "device": str(device),
            "epoch": release.epoch,
            "key_sha256": hashlib.sha256(key.public_key).hexdigest(),
            "nonce": base64.b64encode(nonce).decode(),
            "purpose": PURPOSE,
        }
    )
