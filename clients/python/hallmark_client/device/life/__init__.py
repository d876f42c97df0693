"""A device's life with the service: enrolment, certificate, feeds, permissions, deletion with receipts, artifact keys.

    with Device.enrol("vault", bootstrap=profile, root=root, attester=attester) as device:
        device.start()

Where things are
- for programs: device (the front door), settings, model, errors, attester and software (who vouches), trust
- what is decided, without I/O: fates (what becomes of an artifact), permissions (may it be used), artifact_keys
- what is done: erasing (vault and feeds brought in line), receipts, anchoring, link (certificate), tasks, living
- kept: store (life.db), feeds (watch.db), bootstrap and keys (secrets of the vault)
"""

from .attester import Attester, DeviceKey, Proof
from .device import Device
from .errors import EnrolmentRefused, LifeStoreFailed, NotEnrolled
from .feeds import FeedSettings
from .model import Command, DeviceFacts, DeviceStatus, KeyPlace, Registration, Step, Work
from .permissions import LeasePermissions
from .settings import LifeSettings
from .software import SoftwareAttester
from .trust import Trust

__all__ = [
    "Attester",
    "Command",
    "Device",
    "DeviceFacts",
    "DeviceKey",
    "DeviceStatus",
    "EnrolmentRefused",
    "FeedSettings",
    "KeyPlace",
    "LeasePermissions",
    "LifeSettings",
    "LifeStoreFailed",
    "NotEnrolled",
    "Proof",
    "Registration",
    "SoftwareAttester",
    "Step",
    "Trust",
    "Work",
]
