"""Settings of what gives permission and takes it back: feeds and status files, consent, removal, shared signals."""

from pydantic import Field

from kms.config_section import Section


class EventsConfig(Section):
    snapshot_interval_seconds: float = Field(
        60, ge=1, description="Least time between two published snapshots of what is revoked; a revocation hastens one."
    )
    snapshot_lifetime_seconds: float = Field(
        900, ge=10, description="How long a snapshot is fresh: it is signed again before, even when nothing changed."
    )
    public_url: str | None = Field(
        None,
        description="Where devices and receivers read the public files: the beginning of the URI of every status list. "
        "It never changes again. Default: what the HTTP port of the public files listens on.",
    )
    lease_event_days: float = Field(1, ge=0.01, description="How long leases that were renewed are kept in the feeds.")


class ConsentConfig(Section):
    removal_seconds: int = Field(
        86400, ge=60, le=30 * 86400, description="Promised removal time of a consent that names none."
    )
    renew_fraction: float = Field(
        0.5, gt=0, lt=1, description="When so much of a lease is over, it is renewed if its consent still holds."
    )
    renew_interval_seconds: float = Field(
        5, gt=0, description="How often leases that are due are renewed, all of them in one batch."
    )


class RemovalConfig(Section):
    check_interval_seconds: float = Field(5, gt=0, description="How often deadlines are looked at.")
    unreachable_seconds: float = Field(
        3600, gt=0, description="A device that was not reached for so long after a request counts as unreachable."
    )
    revoke_overdue: bool = Field(
        True,
        description=(
            "Revoke a device that gave no receipt in time and was reached, or holds a key that no lease ends; else it "
            "only gets no lease."
        ),
    )


class SsfConfig(Section):
    address: str = Field("127.0.0.1", description="Address of the HTTP port for receivers of shared signals.")
    port: int = Field(7481, ge=0, le=65535, description="HTTP port of the SSF transmitter; 0 takes a free one.")
    enabled: bool = Field(False, description="Serve the SSF transmitter. Put TLS in front of its port.")
    issuer: str | None = Field(
        None, description="https URL, without a path, that receivers know the transmitter by; required when enabled."
    )
    push_networks: tuple[str, ...] = Field(
        (), description="Private networks that push may reach, such as 10.20.0.0/16; 127.0.0.0/8 for trials."
    )
    push_interval_seconds: float = Field(1, gt=0, description="Least time between two attempts to one receiver.")
