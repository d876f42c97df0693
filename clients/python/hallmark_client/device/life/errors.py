"""What can go wrong between a device and the service, below DeviceError.

DeviceError
├── NotEnrolled         the folder holds no registration: `Device.enrol` first
├── EnrolmentRefused    the service, or what it answered, does not make this a device
└── LifeStoreFailed     life.db can not be read or written
"""

from collections.abc import Sequence

from hallmark_client.device.errors import DeviceError


class NotEnrolled(DeviceError):
    """NOT_ENROLLED."""


class EnrolmentRefused(DeviceError):
    """ENROLMENT_REFUSED: `reasons` are the codes of the verdict. ANSWER_INVALID: the answer is about something else."""

    def __init__(self, reason: str, message: str, *, reasons: Sequence[str] = ()) -> None:
        super().__init__(reason, message, metadata={"reasons": ",".join(reasons)} if reasons else None)
        self.reasons = tuple(reasons)


class LifeStoreFailed(DeviceError):
    """LIFE_STORE: the message says which file and what to do."""
