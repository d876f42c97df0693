"""What a service acknowledged of permission given and taken back, while it was killed."""

from dataclasses import dataclass, field

from support.kill_book import Book


@dataclass
class GivenConsent:
    """As acknowledged last. `removals`: of its withdrawal. `is_ending`: a withdrawal was begun, perhaps not answered."""

    name: str
    artifacts: tuple[str, ...]
    devices: tuple[str, ...]
    revision: int = 1
    state: str = "GIVEN"
    is_ending: bool = False
    removals: tuple[str, ...] = ()


@dataclass
class PermissionBook(Book):
    """Written by many threads, with the lock held."""

    consents: dict[str, GivenConsent] = field(default_factory=dict)
    leases: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """Acknowledged ones: by consent, device and artifact."""
    artifacts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """State and revision as acknowledged last, by name; one caller changes them."""
    touched: set[str] = field(default_factory=set)
    """Artifacts that somebody began to suspend, resume or revoke."""
    revoked_devices: set[str] = field(default_factory=set)

    def given(self) -> list[GivenConsent]:
        """Open ones that nobody takes back at this moment."""
        with self.lock:
            return [each for each in self.consents.values() if not each.is_ending]

    def withdrawn(self) -> list[GivenConsent]:
        with self.lock:
            return [each for each in self.consents.values() if each.state == "WITHDRAWN"]
