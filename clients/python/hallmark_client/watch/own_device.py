"""Which device this is, by the certificate it was given."""

import re
from typing import Final

from cryptography import x509

from hallmark_client.client import Client

_DEVICE: Final = re.compile(r"spiffe://[^/]+/tenants/[^/]+/device/d-([0-9a-f-]{36})")
"""The service names the certificate of devices/ID "d-ID" (SPIFFE X509-SVID: exactly one URI name)."""


def own_device(cert_pem: bytes) -> str | None:
    """Id of the device; None for anybody else. Raises ValueError for what holds no certificate."""
    if not cert_pem:
        return None  # a caller with a token
    certificate = x509.load_pem_x509_certificates(cert_pem)[0]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    found = [_DEVICE.fullmatch(uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier)]
    return found[0][1] if len(found) == 1 and found[0] is not None else None


def device_of(client: Client) -> dict[str, str]:
    """The setting `device` for a client that has the certificate of one; nothing for others."""
    cert_pem = client._cert_pem  # noqa: SLF001 - the same package
    found = None if cert_pem is None else own_device(cert_pem)
    return {} if found is None else {"device": found}
