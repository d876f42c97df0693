"""What can be wrong with an audit chain."""

from hallmark_client.device.errors import DeviceError


class AuditBroken(DeviceError):
    """AUDIT_BROKEN: the chain is not what was written. `number`: the first entry that does not hold, from 1; 0 for what
    stands before the entries (the header of an export, the start of a pruned chain).
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__("AUDIT_BROKEN", message, metadata={"number": str(number)})
        self.number = number
