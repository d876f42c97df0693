"""Roots of makers of FIDO authenticators as a table of facts: name, public key, the maker's page, and the SHA-256 of
the certificate there that the key was taken from (2026-11-21). All other makers' roots come from FIDO metadata.

Apple's WebAuthn root stands with Apple's others, Google's with Android's. GlobalSign is here as the signer of FIDO
metadata only: as a public web CA it vouches for no authenticator.
"""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Final

from attestation.model import METADATA, Anchors, Format, TrustAnchor

YUBICO_PAGE: Final = "https://developers.yubico.com/PKI/yubico-ca-certs.txt"
_SECURITY_KEYS: Final = frozenset({"packed", "fido-u2f"})

# Subject CN=Yubico U2F Root CA Serial 457200631. RSA-2048, 2014 to 2050. YubiKeys until firmware 5.7.
YUBICO_U2F_ROOT: Final = TrustAnchor(
    name="yubico-u2f-root-457200631",
    common_name="Yubico U2F Root CA Serial 457200631",
    is_root=True,
    formats=frozenset({Format.WEBAUTHN}),
    uses=_SECURITY_KEYS,
    spki=b64decode(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAv48GLoQVZamomFhDLK1hYrICfj7TPdXkq6SOEyu1Od5sAiGsEgx8vL1JpOTdigI/"
        "Wm70/TT+UjEtYUIt7rMaGBqJ10IHzumV8lAPWvigJKnRZwZ5croEngjnqfBHWRX7GkRbTI5MM+RnM9j8uLyGLwnTBz7cGs9G1bs53rniBM+k"
        "50IxOt0Xbds28J3m8ExuWcm3lksG88vgSd+GR3FITwGPPciUF7hNCMzGRXBAWzzUW1hAkSoI6v/6k/Z5gzhVZUkQrdsIqj0s5bsJ/r/rLkBA"
        "bFI0xjBHdubSl105DVttcCFm8XkslKE18C7xkusZcEEoDaZNql2MH/Il4O1VmQIDAQAB"
    ),
    source=f"{YUBICO_PAGE}, certificate 0fa1386f80eb8713263ae5c1d84deb455bdf08aea50ab05503cefee82b092d42",
)

# Subject CN=Yubico FIDO Root CA Serial 450203556. RSA-2048, 2024 to 2060.
YUBICO_FIDO_ROOT: Final = TrustAnchor(
    name="yubico-fido-root-450203556",
    common_name="Yubico FIDO Root CA Serial 450203556",
    is_root=True,
    formats=frozenset({Format.WEBAUTHN}),
    uses=_SECURITY_KEYS,
    spki=b64decode(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnb5du8NoLtXz13hBWyHasdAWpb1Q1Vq0Dyex6r4rhLWR5cUi8UhbXF6U6Jby76H/"
        "H+LTHq0E5FRs3JmM5tRAU+CCbjJqBKn5BBIVqbAAzBa42ZKpWWPRKsUMy6FRBKJxOaBsUnVQsQnCyGnJKckfwgl749Qbf4U4BPYU5ReKUasT"
        "JMd6ZRe8vHQ2ZUR1rO7254ZgQhniNGTxEOp5dpgoNq++GnRdruiva6y34QQt0CxPBD64KlLCPoZLqtrSuDNkjDqfLlFVZKlHrt4dJK91lSNF"
        "tNqZIKzoIhSixTZEq22IXYzAQ4+Ys5qn3PcSUSqA1+tdqnfGRlR6U+QGBV/tYQIDAQAB"
    ),
    source=f"{YUBICO_PAGE}, certificate 35f1a54b353bfb711e6d42adbeb76c0e9dead095018e6a94783ba2192fd6faad",
)

# Subject CN=Yubico Attestation Root 1. RSA-2048, from 2024-12 without end. YubiKeys since firmware 5.7.4; also signs
# PIV, OpenPGP and other attestations, which the unit in the certificate of a packed statement keeps apart.
YUBICO_ATTESTATION_ROOT: Final = TrustAnchor(
    name="yubico-attestation-root-1",
    common_name="Yubico Attestation Root 1",
    is_root=True,
    formats=frozenset({Format.WEBAUTHN}),
    uses=_SECURITY_KEYS,
    spki=b64decode(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxnr9PEzyshP4Rqg+8bzWie0w6j/aZDZEHAkdLRBlzFVo1e+XXYtSEFnkuaIFJwhl"
        "3VGfHWh3nzmH792EruESbskAAuQoq2zV87ncoY0tm6PPmHfAadyviHIoXQbvhv9Tcr2ETmYY0PrOphyEJEAd+tgxhEMXhgvRfgPmcZ3G+mkD"
        "LqeQSa1aYyfA7eLRMC5yytsTjzke8YzivRWmBV0mm+BCOJMkJMir4PfmHC1PxAMi/6ca+lzKLnBwh8KTPIKKYm6SFjLoqio0wpAR2k2JI69b"
        "IMxMy3VvAK8TOnD3W76axS3iuPR5+c72zRk7B3AxEOcfjGBSXlkvCus+R8LX/QIDAQAB"
    ),
    source=f"{YUBICO_PAGE}, certificate 62760c6a6ef91679f454c8902b80fd009825b3f25da90f1fbace2ec6586cd5a8",
)

# Subject CN=Microsoft TPM Root Certificate Authority 2014, O=Microsoft Corporation. RSA-4096, 2014 to 2039. Signs the
# attestation keys of Windows Hello, for the TPMs of all makers.
MICROSOFT_TPM_ROOT: Final = TrustAnchor(
    name="microsoft-tpm-root-2014",
    common_name="Microsoft TPM Root Certificate Authority 2014",
    is_root=True,
    formats=frozenset({Format.WEBAUTHN}),
    uses=frozenset({"tpm"}),
    spki=b64decode(
        "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAn6f5ucq38kchEL+gj/GCSCxh0/M/SCm924MDYZtG22H4vhZTKhkoYHDu7PluOM/w"
        "CqXhgTHKNHcRlDguqdkKEymgKh9t4NHgyMITVMbBaCEalLSYzca1YP1eIwTisTYrRVbel03QIvORhu9luzbBBMV8TrbI1CIOPIcVYBngFAfh"
        "5ZrzCsMxTEgCd5QKlTrMLAz6XpCHiiFfTrcEfNeVNJNzV8OyI9oq4wyNaMr2+nlQcU9r50wBavo6WNBk8UiDdpnhxR/NL3L6fvsezU1c8Gfo"
        "TgNvrv3PgNOEhfKgp5lO/VppY5aX97GwMsa3aZMxPLKRVXy4PV5GNiuIWmahEPAkoAQw59pRFqvOnuGRr1M4SUbIPaA5XgWxyvYzEBgLLAuY"
        "4vMDhUNJgu4oCE9KnvJrARPfQC9jUdF8zAHF61KpY/b7JlE1gmUemivlBO5EODNH5l6P5pbHqtY1jHjeQu2GjN5UndAKwPmIQj85mWZaflZh"
        "/s7wsH/UDuxyti/jgUPxyTdn6HFemSSUCyMkywdlr2YGqH5VHUCJxfi5kbybXrHrllTa5SkFreufwJM2bDXtkc6K5JYm1L34+tlUDyWOB/hC"
        "ADWDo084SIsbZ+fwab6vkCT722q/vYoN3YU8EntfHiy1iP9aM0+0RSFbitwsreS0t9zLp5rtGhzDnLkCAwEAAQ=="
    ),
    source=(
        "http://www.microsoft.com/pkiops/certs/Microsoft%20TPM%20Root%20Certificate%20Authority%202014.crt, "
        "certificate 870c7a35ceab3d59979f2c6a524042d404cb71518004350925fb2ced79a999da"
    ),
)

# Subject CN=GlobalSign, OU=GlobalSign Root CA - R3, O=GlobalSign. RSA-2048. FIDO names it as the root of its signer;
# the period is that of the certificate, after which FIDO has to name another.
FIDO_METADATA_ROOT: Final = TrustAnchor(
    name="fido-metadata-globalsign-r3",
    common_name="GlobalSign",
    is_root=True,
    formats=frozenset({Format.WEBAUTHN}),
    uses=frozenset({METADATA}),
    spki=b64decode(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzCV2kHkGeCIW9cCDtoTKKJ79BXYRxa2IcvxGAkPHsoqdBF8kyy5L4WCCRuFSqwyB"
        "R3Bs3WTR6/Usow+CPQwrrpfXthSGEHm7OxOAd4wI4UnSamIvH176lmjfiSeVOJ8G1z7JyyZZDXPesMjpJg6DFcbvW4vSBGDKSaYo9mk79svI"
        "KJHlnYphVzesdBTcdOA67nIvLpz70Lu/9T0A4QYz6IIrrlOmOhZzjN1BDiA6wLSnoemyT5AuMmDpV8u5BJJoaOU4JmB1sp93/5EU764gSfyt"
        "QBVI0QIxYRleuJfvrXe3ZJp6v1/BE++bYvsNbOBUaRapA9pu6YOTcXbGaYWCFwIDAQAB"
    ),
    source=(
        "https://fidoalliance.org/metadata/, "
        "certificate cbb522d7b7f127ad6a0113865bdf1cd4102e7d0759af635a7cf4720dc963c53b"
    ),
    not_before=datetime(2009, 3, 18, 10, tzinfo=UTC),
    not_after=datetime(2029, 3, 18, 10, tzinfo=UTC),
)

WEBAUTHN: Final = Anchors(
    (YUBICO_U2F_ROOT, YUBICO_FIDO_ROOT, YUBICO_ATTESTATION_ROOT, MICROSOFT_TPM_ROOT, FIDO_METADATA_ROOT)
)
