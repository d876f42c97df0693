"""Port: who issues client certificates to devices."""

from datetime import datetime
from typing import Protocol

from kms.core.names import ChildName
from kms.devices.model import DeviceCertificate


class CertificateIssuer(Protocol):
    """Stateless, quick, no network: it runs on the event loop. A certificate that nobody gets is no harm: it says what
    the commit after it says, and a revoked device is refused whatever it shows (kms.devices.standing).
    """

    def issue(self, device: ChildName, key_spki: bytes, *, now: datetime) -> DeviceCertificate:
        """For mTLS as this device (role device, name `certificate_name(device)`). The key was shown to be held, and is
        EC P-256, P-384 or RSA.
        """
