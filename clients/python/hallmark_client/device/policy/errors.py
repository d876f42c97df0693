"""What can be wrong with a policy itself. What a policy refuses is hallmark_client.device.errors.PolicyViolation."""

from hallmark_client.device.errors import DeviceError


class PolicyInvalid(DeviceError):
    """POLICY_INVALID: not a policy, not in its one spelling, or for another tenant. The message says what."""

    def __init__(self, message: str) -> None:
        super().__init__("POLICY_INVALID", message)


class PolicyRolledBack(DeviceError):
    """POLICY_ROLLED_BACK: a version that is not above the one in force."""

    def __init__(self, found: int, in_force: int) -> None:
        super().__init__("POLICY_ROLLED_BACK", f"policy version {found} does not come after version {in_force}")
