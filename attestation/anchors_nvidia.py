"""NVIDIA's root key for identities of its devices as a fact: name, public key, vendor's page, the day it was read."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Final

from attestation.model import Anchors, Format, TrustAnchor

NVTRUST_PAGE: Final = (
    "https://github.com/NVIDIA/nvtrust, guest_tools/gpu_verifiers/local_gpu_verifier/src/verifier/certs/"
    "verifier_device_root.pem, read 2026-11-21"
)

# Subject CN=NVIDIA Device Identity CA, O=NVIDIA. EC P-384. Its certificate, like those of the GPUs, has no end (9999).
NVIDIA: Final = Anchors(
    (
        TrustAnchor(
            name="nvidia-device-identity-ca",
            formats=frozenset({Format.NVIDIA_GPU}),
            is_root=True,
            spki=b64decode(
                "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEDkwUozv4pWJmWNtBKWB+TL9FGcRBJxb00NkXxJeABb3qvq79V7xmCC1xik+LYFLhUW7op8QiuE3o"
                "VwcbtY/Tlb6gz6HGPufIDWvWOQHZHLvRh9OFfcFrXM6vI4/4wn29"
            ),
            source=NVTRUST_PAGE,
            not_before=datetime(2021, 11, 5, tzinfo=UTC),
        ),
    )
)
