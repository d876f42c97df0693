"""Trust anchors of vendors as a table of facts: name, public key, the vendor's page, the day it was read.

Anchors are public keys, not certificates: Google re-issued the certificate of its RSA root in 2016, 2019, 2021 and 2022
around one key. Nothing here is fetched at run time, as Google asks of verifiers.
"""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Final

from attestation.model import Anchors, Format, TrustAnchor

GOOGLE_ROOTS_PAGE: Final = (
    "https://developer.android.com/privacy-and-security/security-key-attestation#root_certificate, read 2026-11-20"
)

# Subject serialNumber=f92009e853b6b045. RSA-4096. Signs factory chains, and remotely provisioned ones until 2026-04.
GOOGLE_RSA: Final = TrustAnchor(
    name="google-hardware-attestation-rsa4096",
    formats=frozenset({Format.ANDROID_KEY, Format.WEBAUTHN}),
    uses=frozenset({"android-key"}),
    spki=b64decode(
        "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAr7bHgiuxpwHsK7Qui8xUFmOr75gvMsd/dTEDDJdSSxtf6An7xyqpRR90PL2abxM1"
        "dEqlXnf2tqw1Ne4Xwl5jlRfdnJLmN0pTy/4lj4/7tv0Sk3iiKkypnEUtR6WfMgH0QZfKHM1+di+y9TFRtv6y//0rb+T+W8a9nsNL/ggjnar8"
        "6461qO0rOs2cXjp3kOG1FEJ5MVmFmBGtnrKpa73XpXyTqRxB/M0n1n/W9nGqC4FSYa04T6N5RIZGBN2z2MT5IKGbFlbC8UrW0DxW7AYImQQc"
        "HtGl/m00QLVWutHQoVJYnFPlXTcHYvASLu+RhhsbDmxMgJJ0mcDpvsC4PjvB+TxywElgS70vE0XmLD+OJtvsBslHZvPBKCOdT0MS+tgSOIfg"
        "a+z1Z1g7+DVagf7quvmag8jfPioyKvxnK/EgsTUVi2ghzq8wm27ud/mIM7AY2qEORR8Go3TVB4HzWQgpZrt3i5MIlCaY504LzSRiigHCzAPl"
        "Hws+W0rB5N+er5/2pJKnfBSDiCiFAVtCLOZ7gLiMm0jhO2B6tUXHI/+MRPjy02i59lINMRRev56GKtcd9qO/0kUJWdZTdA2XoS82ixPvZtXQ"
        "pUpuL12ab+9EaDK8Z4RHJYYfCT3Q5vNAXaiWQ+8PTWm2QgBR/bkwSWc+NpUFgNPN9PvQi8WEg5UmAGMCAwEAAQ=="
    ),
    source=GOOGLE_ROOTS_PAGE,
)

# Subject CN=Key Attestation CA1, OU=Android, O=Google LLC, C=US. EC P-384. Signs remotely provisioned chains since
# 2026-02; its period is the one of its only certificate.
GOOGLE_P384: Final = TrustAnchor(
    name="google-key-attestation-ca1-p384",
    formats=frozenset({Format.ANDROID_KEY, Format.WEBAUTHN}),
    uses=frozenset({"android-key"}),
    spki=b64decode(
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEI9ojcU7fPlsFCjxy6IRqzgeOoK0b+YsV9FPQywiyw8EQRTkJ9u3qwfnI4DGoSLlBqClTXJfgfCcZ"
        "vs60FikNMHnu4fkRzObfgDkU2KNXezT9/RQ+XvNslxPHrHCowhGr"
    ),
    source=GOOGLE_ROOTS_PAGE,
    not_before=datetime(2025, 7, 17, 22, 32, 18, tzinfo=UTC),
    not_after=datetime(2035, 7, 15, 22, 32, 18, tzinfo=UTC),
)

GOOGLE: Final = Anchors((GOOGLE_RSA, GOOGLE_P384))

# Roots whose private keys are public, printed in the Android sources (trusty/keymaster, system/keymaster). They vouch
# for nothing; knowing their keys only makes the reason of the refusal clearer.
SOFTWARE_ROOTS: Final[dict[bytes, str]] = {
    b64decode(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7l1ex+HA220Dpn7mthvsTWpdamguD/9/SQ59dx9EIm29sa/6FsvHrcV30lacqrewLVQBXT5D"
        "KyqO107sSHVBpA=="
    ): "Android software attestation root, EC P-256",
    b64decode(
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCia63rbi5EYe/VDoLmt5TRdSMfd5tjkWP/96r/C3JHTsAsQ+wzfNes7UA+jCigZtX3hwsz"
        "l94OuE4TQKuvpSe/lWmgMdsGUmX4RFlXYfC78hdLt0GAZMAoDo9Sd47b0ke2RekZyOmLw9vCkT/X11DEHTVm+Vfkl5YLCazOkjWFmwIDAQAB"
    ): "Android software attestation root, RSA-1024",
}
