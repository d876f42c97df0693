"""Apple's roots as a table of facts: name, public key, Apple's page, and the SHA-256 of the certificate there that the
key was taken from (2026-11-21). Each root counts for one purpose here and no other.
"""

from base64 import b64decode
from typing import Final

from attestation.model import RECEIPT, Anchors, Format, TrustAnchor

PRIVATE_PKI_PAGE: Final = "https://www.apple.com/certificateauthority/private/"

# Subject CN=Apple App Attestation Root CA, O=Apple Inc., ST=California. EC P-384, certificate until 2045-03-15.
APPLE_APP_ATTEST_ROOT: Final = TrustAnchor(
    name="apple-app-attestation-root",
    common_name="Apple App Attestation Root CA",
    is_root=True,
    formats=frozenset({Format.APPLE_APP_ATTEST}),
    uses=frozenset({"attestation"}),
    spki=b64decode(
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAERTHhmLW07ATaFQIEVwTtT4dyctdhNbJhFs/Ii2FdCgAHGbpphY3+d8qjuDngIN3WVhQUBHAoMeQ/"
        "cLiP1sOUtgjqK9auYen1mMEvRq9Sk3Jm5X8U62H+xTD3FE9TgS41"
    ),
    source=f"{PRIVATE_PKI_PAGE}, certificate 1cb9823ba28ba6ad2d33a006941de2ae4f513ef1d4e831b9f7e0fa7b6242c932",
)

# Subject CN=Apple WebAuthn Root CA, O=Apple Inc., ST=California. EC P-384, certificate until 2045-03-15.
APPLE_WEBAUTHN_ROOT: Final = TrustAnchor(
    name="apple-webauthn-root",
    common_name="Apple WebAuthn Root CA",
    is_root=True,
    formats=frozenset({Format.WEBAUTHN}),
    uses=frozenset({"apple"}),
    spki=b64decode(
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEIkJDalNWHOOXhajoiEe0xIDM7Zy/4f0NAp6/f/98bn0bXWTG714jT/ujpXm5KEGl7W7qXqZLX1LU"
        "USHrIaWOdkAn7YY0/WaL9graRJci5MePED+lyhF/teQ607ijWqVx"
    ),
    source=f"{PRIVATE_PKI_PAGE}, certificate 0915dd5c07a28db549d1f677bb5a75d4bfbe9561a773424327762e9e02f9bb29",
)

# Subject CN=Apple Root CA - G3, OU=Apple Certification Authority, O=Apple Inc., C=US. EC P-384, until 2039-04-30.
APPLE_ROOT_G3: Final = TrustAnchor(
    name="apple-root-ca-g3",
    common_name="Apple Root CA - G3",
    is_root=True,
    formats=frozenset({Format.APPLE_APP_ATTEST}),
    uses=frozenset({RECEIPT}),
    spki=b64decode(
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEmOkvPUBypO2TInKBExzdEJXxxaNOcdwUFtkO5aYFKndke19OONO7HES1f/UftjJiXcnphFtPME8R"
        "WgD9WFgMpfUPLE0HRxN12peXl28xXO0rnXsgO9i5VNlemaQ6UQox"
    ),
    source=(
        "https://www.apple.com/certificateauthority/, "
        "certificate 63343abfb89a6a03ebb57e9b3f5fa7be7c4f5c756f3017b3a8c488c3653e9179"
    ),
)

APPLE: Final = Anchors((APPLE_APP_ATTEST_ROOT, APPLE_WEBAUTHN_ROOT, APPLE_ROOT_G3))
