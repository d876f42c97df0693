"""Keys that vouch for TPMs: clouds that certify attestation keys, makers that certify endorsement keys.

An anchor says by `uses` what its certificates may be: "ak" for attestation keys, which sign quotes, "ek" for
endorsement keys, which only decrypt. So no maker's CA can make an attestation key believable by itself.

Issuing CAs stand here beside roots. Infineon signs its older issuing CAs with SHA-1, TPMs rarely carry the issuing
CA's certificate, and a maker's page is out of reach for a verifier without network; the key of an issuing CA is then
the thing to trust. Makers announce no period for these keys, and the endorsement certificate of a soldered chip cannot
be renewed, so they have none here. Azure renews its issuing CAs every two years, and theirs is given.
"""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Final

from attestation import anchors_tpm_infineon as infineon
from attestation import anchors_tpm_makers as makers
from attestation.model import Anchors, Format, TrustAnchor

AK: Final = "ak"
EK: Final = "ek"

AZURE_PAGE: Final = "http://www.microsoft.com/pkiops/certs/ (named in its certificates), read 2026-11-20"
GOOGLE_PAGE: Final = "http://pki.goog/cloud_integrity/ (named in its certificates), read 2026-11-20"

_FORMATS: Final = frozenset({Format.TPM, Format.AZURE_VTPM})

# CN=Azure Virtual TPM Root Certificate Authority 2023. RSA-4096.
AZURE_ROOT: Final = TrustAnchor(
    name="azure/Azure Virtual TPM Root Certificate Authority 2023",
    common_name="Azure Virtual TPM Root Certificate Authority 2023",
    formats=_FORMATS,
    spki=b64decode(
        "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAugwzC91Env5tbTRp0oTVV6Y2olL7brxSt7xBx9ldU6xU7bb48v1ZGg+dajSvl1Wi"
        "iZgZuhuHgcLvaz2wZjoEZF75SLYszC5aeKsG06NonfivVmJ40xxU0lP91dbkc38cuWb+BIqVbOoITHqAUUBBO/JiX/mNgjg57TnMnuiOCMr/"
        "pkdekXKxefJQhMn2qCOfnjogmH8bk4wLeYN8VTsD8YCL4tho4dLNePr0uTW8J+02r0NxAe0Hui07RXEWREtpQtx+78BgczsUL9Krpwlv0C7w"
        "r8hSHD/mUlJdlrAsnAelwRjMRObZuVp3RUewAJos25xkvnAGLwYS6xD1ajxbWnWtQIynz2m5/FrcCv2xhm9Z4mW8qCBZxBVSWG+8hkSdP5+1"
        "4S/BN2hqOXmpK9lsM8YI+Nv3WtLOeiIurxeqBAEEWOcSJMv5WJpmbJk9hSwG8FjeUpcHWXaGCBqF8EhqDiPTByCqUvzZIvukB0aOrQWi7pIq"
        "AeeSStXkI3FQEFUw0LBSiPma8SN3mYXtc+B8z3yo0AFvYCq1+X5W4KRT8bVe8WhOpL0CTBstMYUxL36MIRTavDrCcq4a/VPH2K5J02+xe3yy"
        "3Hh+RV4m+cWkl4AjAFlWApFJNrfDfT32TSZbyoaIyfAIjlJ91nZInIPi4SazOyeJ4TrABZ3W0suDWO8CAwEAAQ=="
    ),
    source=AZURE_PAGE,
    uses=frozenset({AK}),
)

# CN=Global Virtual TPM CA - 01. RSA-2048. Its period is that of its certificate.
AZURE_CA_01: Final = TrustAnchor(
    name="azure/Global Virtual TPM CA - 01",
    common_name="Global Virtual TPM CA - 01",
    formats=_FORMATS,
    spki=b64decode(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvzaqLhxgaL02ncNRizEGDcVqxHIj0oe4BO1cbH22zwhNEn0zvNDhdq2i3UWDdoBF"
        "hNg6/Pkw1LgG/1gRcnM4VNWhxT7LIPAd/w0+qU15Q5aISyz1pI2FPjrk9fy7O0c40AXtrHvzCcj2iCVyOioAsHj8OxHFhQoXvGgk1DB2ARtC"
        "buMTZTE1Hf7XLumudwl5+jauPLpsJWiXpUYfotX9L3MAdgmP7/kZYsG//AzORHfRVB2TisqeVZ2sPRlpaDOOrC0E/33RwdI5roHzWc2n5JIU"
        "AGIjS942DWBWR+fyIFH2Cf8sm8J8KMTnVdjVdENovj+T3G9FjRmiWOO2qjo/AQIDAQAB"
    ),
    source=AZURE_PAGE,
    not_before=datetime(2023, 6, 8, 17, 53, 4, tzinfo=UTC),
    not_after=datetime(2025, 11, 3, 17, 53, 4, tzinfo=UTC),
    uses=frozenset({AK}),
)

# CN=Global Virtual TPM CA - 03. RSA-2048. Its period is that of its certificate.
AZURE_CA_03: Final = TrustAnchor(
    name="azure/Global Virtual TPM CA - 03",
    common_name="Global Virtual TPM CA - 03",
    formats=_FORMATS,
    spki=b64decode(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2BmLYrOZGtHMUJIVNdY7JYF+sM40f1F0CBXVJ/I7k1DCZfdVaJMFD191n13qIO5r"
        "W1smFg/EiNAUp3IURpVfLtwIXFutfx3rR6piC7Q9HO+VAE4voLE0J6cCjwP5t/DBhslxRE698R144pVD3yIZsTuCJrjSdEfeW2WIcWy2Jjma"
        "VVHI/KM/fNAJ/B5SKks67JEEejYrhJopB5B3NfwqaDbp66/JEDTxeoMXsSK717Ci1ALlKpzbXEFnP/BK+RDffk3V+gDo1Jiq4lRmwiJz9Zv2"
        "gvg1h//mif/Gg6Ss3un3uzh4dgS/YcaiLJiQErSIeLIkXS2E7fIShppHczlp0QIDAQAB"
    ),
    source=AZURE_PAGE,
    not_before=datetime(2025, 4, 24, 18, 1, 17, tzinfo=UTC),
    not_after=datetime(2027, 4, 24, 18, 1, 17, tzinfo=UTC),
    uses=frozenset({AK}),
)

# CN=EK/AK CA Root, O=Google LLC. RSA-4096. One CA certifies both kinds of keys of Shielded VMs.
GCE_ROOT: Final = TrustAnchor(
    name="google/EK-AK CA Root",
    common_name="EK/AK CA Root",
    formats=_FORMATS,
    spki=b64decode(
        "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAnSX1UKjIlktKiXwrKE2ltLukGe6JwTqm2t23EBYhHZOcvFKDE0WJHt2u2h/EjSu5"
        "x6gIimxr00cgqvPewz838TyYU0eIkC7JV/ek+mYOksllDWp7zIeSkZKzcqPezlhha0R5wJV/M2zgy0q8Z8D5YoHj0Do2iLxH1HUaicsg3rBJ"
        "dfeQ/WJtGfQ0aB2qB+BF7kcLeQoCGNnqxxPwRvVIaVoHIbMTlagZOc1vKJ+TLH2hRnFdUmyq/arrXVbdqls/FyB6/zPkldBRuutDsRs7RK0r"
        "UOwpGwou4P5gvGOsFFDhR4g3lYenobS+BiI6m0ebpgpnFB6Y7+RUwtHOybUBgft404V6RwEgpGNKqmTmbi53Tiq6bp/SEGPeIT8974O8htWE"
        "uH0i0C6chIZA8D11gSB8D+paKv6lTstXemGkt4aG6WXwb/NiZCEXeF6DRu4hHvRpq/NPyIsBCvFUw1FkkQYzAg3+2rxiJPf7cRkhxKqroYAa"
        "OK5XDc0ixcLf4K5IkZDkZsOnj0tzpVY8d5Z4W/BJQaDEpermvX49GyhiArpLiGF5yBcRflztG1rpNwWUQVvRcr1+nLV2vz0t4UbFQGl0O8rE"
        "NEsybcVB6fyuZH89JF4RwmxqptQ/+rs9zuTRF8X0xvoB89l+eqClglD4gVKv0SNFJbXA9wvTfOhM/jsCAwEAAQ=="
    ),
    source=GOOGLE_PAGE,
    uses=frozenset({AK, EK}),
)

# CN="tpm_ek_v1_cloud_host_root-signer-0-2018-04-06...", O=Google LLC. RSA-4096.
GCE_EK_ROOT_2018: Final = TrustAnchor(
    name="google/tpm_ek_v1_cloud_host_root 2018",
    formats=_FORMATS,
    spki=b64decode(
        "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEA+8I7pO5X+Oknhq5hWj70Mq12wLsQ/mle3JfC9ucKPaRP7wk8Zv7604nKWKENI7YE"
        "2u2pW6SSJXx1dhjQxA258+KdKcFk/uzVFc3gX32TS1Ijd7lMjYPBEUFXSNy7uthmXPHeY7WW02n/1RUDfPEvPrrdI+egEFRQ2Vedj3Qm504t"
        "/Bc0/rwqIK39ggbteshExjyJc0WtNL0EiVotv4siCaHb0U39hxCxewDK6bzfkWhQtwMurOtOMD7et9G9AvCurlCwlwRW5lhVFBLm13hFtEPP"
        "gYtDMe1FPQNJ7z1oUCd1oryHiL9YsOg4jxInwHyb5W85YNifH/uo/o2wKeJxWDsFDNioC2VNMdTOLk13ansdzcVtuphTvgR01O0UDAOwj3k3"
        "R/4sLfBErXG8aBpFJ2cl6SWE1Wx07TRMOSYBV2SQr6js+KPZKzbLBb25EfmCeiyd+zCJbEB70u/Al8Gvgw22Frt68DBy+qRG8EkWB34BW6A6"
        "7A4ILescUSq5qhRak2u9IEUxWihaCzR8wxxK1hiP69F31o0O2AexuBJC8IUOaj3WVypEVzBioN/wmZDBk73Jg7ONv/vcwGzFHO5el5D38v9K"
        "siAvfNLsstPJttDcsk7n3a/P6wSTr8/8g5lIY9KHk0tUtLOMd9S4xHrSEnzMajfhAcn+nWbpod+TnaECAwEAAQ=="
    ),
    source=GOOGLE_PAGE,
    uses=frozenset({EK}),
)

# All of Intel's CAs have one common name; the table tells them apart by organizational unit.
_COMMON_NAMES: Final = {"intel": "www.intel.com"}


def _maker(name: str, page: str, keys: dict[str, str]) -> tuple[TrustAnchor, ...]:
    return tuple(
        TrustAnchor(
            name=f"{name}/{common_name}",
            formats=frozenset({Format.TPM}),
            spki=b64decode(key),
            source=f"{page}, read 2026-11-20",
            uses=frozenset({EK}),
            common_name=_COMMON_NAMES.get(name, common_name),
        )
        for common_name, key in keys.items()
    )


CLOUD_TPMS: Final = Anchors((AZURE_ROOT, AZURE_CA_01, AZURE_CA_03, GCE_ROOT, GCE_EK_ROOT_2018))
TPM_MAKERS: Final = Anchors(
    (
        *_maker("infineon", infineon.INFINEON_PAGE, infineon.INFINEON),
        *_maker("stmicroelectronics", makers.STMICROELECTRONICS_PAGE, makers.STMICROELECTRONICS),
        *_maker("nuvoton", makers.NUVOTON_PAGE, makers.NUVOTON),
        *_maker("intel", makers.INTEL_PAGE, makers.INTEL),
        *_maker("nationz", makers.NATIONZ_PAGE, makers.NATIONZ),
        *_maker("aliyun", makers.ALIYUN_PAGE, makers.ALIYUN),
        *_maker("globalsign", makers.GLOBALSIGN_PAGE, makers.GLOBALSIGN),
    )
)
TPM: Final = Anchors((*CLOUD_TPMS.items, *TPM_MAKERS.items))
