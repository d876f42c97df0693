"""AWS's root key for Nitro enclaves as a fact: name, public key, the vendor's page, the day it was read."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Final

from attestation.model import Anchors, Format, TrustAnchor

AWS_ROOT_PAGE: Final = (
    "https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html, root G1 (SHA-256 of the certificate begins"
    " 641a0321), read 2026-11-20"
)

# Subject CN=aws.nitro-enclaves, OU=AWS, O=Amazon, C=US. EC P-384. Signs the certificates of every region.
AWS_NITRO: Final = Anchors(
    (
        TrustAnchor(
            name="aws-nitro-enclaves-root-g1",
            formats=frozenset({Format.AWS_NITRO}),
            spki=b64decode(
                "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE/AJU66YIwfNocOKa2pC+RjgyknNuiUv/9nLZiURLUFHlNKSx9tvjwLxYGjK3sXYHDt4S1po/"
                "6iEbZudSz33R3QlfbxNw9BcIQ9ncEAEh5M9jASgJZkSHyXlihDBNxT/0"
            ),
            source=AWS_ROOT_PAGE,
            not_before=datetime(2019, 10, 28, 13, 28, 5, tzinfo=UTC),
            not_after=datetime(2049, 10, 28, 14, 28, 5, tzinfo=UTC),
        ),
    )
)
