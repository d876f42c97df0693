"""Files with private and public keys, as `hallmark keys import` takes them."""

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kms.cli.failure import CommandError, not_usable
from kms.cli.output import read_file

if TYPE_CHECKING:
    from hallmark_client.model.enums import Algorithm

_FILE_MAX: Final = 64 * 1024
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----\s*")
_PRIVATE: Final = {b"PRIVATE KEY", b"EC PRIVATE KEY"}


def read_private_key(file: Path) -> bytes:
    """DER of a PEM or DER file; the bytes themselves of any other, such as the seed of an HPKE key.

    Raises OSError, CommandError.
    """
    content = read_file(file, _FILE_MAX)
    if not content.startswith(b"-----BEGIN "):
        return content
    found = _PEM.fullmatch(content)
    if found is None or found[1] not in _PRIVATE:
        advice = "It takes one block PRIVATE KEY; openssl pkcs8 -topk8 -nocrypt writes one"
        raise not_usable("KEY_FILE_INVALID", f"{file} is not an unencrypted private key", advice)
    return base64.b64decode(found[2])


def read_public_key(file: Path, algorithm: "Algorithm") -> bytes:
    """Raw, as the service takes it, of a PEM file; of HPKE keys, which have no PEM, the file itself.

    Raises OSError, CommandError, hallmark_composite.CompositeError.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    from hallmark_composite import CompositePublicKey

    content = read_file(file, _FILE_MAX)
    if algorithm.startswith("HPKE"):
        return content
    if algorithm.startswith("id-"):
        return CompositePublicKey.from_spki_pem(content).raw
    try:
        key = load_pem_public_key(content)
        if isinstance(key, ec.EllipticCurvePublicKey):
            return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    except (ValueError, UnsupportedAlgorithm):
        raise _no_public_key(file) from None


def _no_public_key(file: Path) -> CommandError:
    advice = "It takes one PEM block PUBLIC KEY; openssl pkey -pubout writes one"
    return not_usable("KEY_FILE_INVALID", f"{file} is no public key of that algorithm", advice)
