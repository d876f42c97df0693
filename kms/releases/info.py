"""What keys are sealed with: the HPKE info. Of an artifact's key the device makes it for itself and compares; of the
content key of a release the service does.
"""

import base64
import hashlib
from typing import Final

from kms.artifacts.model import ModelName
from kms.core.canonical import canonical_json
from kms.core.names import ChildName
from kms.devices.model import HpkeKey
from kms.releases.model import Release

PURPOSE: Final = "hallmark/artifact-key/v1"
CONTENT_PURPOSE: Final = "hallmark/release-key/v1"


def content_key_info(model: ModelName, version: str, epoch: int) -> bytes:
    """Canonical JSON, under 512 bytes: the envelope is good for this release only. An envelope that was made for
    anything else can not be passed off as a content key, so nobody has the service open it and seal it to a device.
    """
    return canonical_json({"epoch": epoch, "model": str(model), "purpose": CONTENT_PURPOSE, "version": version})


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
