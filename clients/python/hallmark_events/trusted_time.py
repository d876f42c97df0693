"""What time it is at least, on a device whose clock anybody can set.

A *floor* is a time that the service signed: in a heartbeat over our nonce, in a manifest, or in an event. From there
time goes on by the boot clock (CLOCK_BOOTTIME: seconds since boot, suspended ones too), which nobody can set back.
After a reboot the floor still holds, and only the real-time clock (RTC) knows how long the device was off; it is
believed as far as it says *later*, never for anything that cannot be undone. An RTC below the floor knows nothing:
online again first.

Limits: a floor is behind the true time by the delay of the message that brought it; and after a reboot somebody who
sets the RTC gains the time that the device was off, but no time during which it runs.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Self

from hallmark_events.canonical import INTEGER_MAX, canonical_json, format_time, parse_canonical, parse_time
from hallmark_events.errors import StateInvalid

_FORMAT: Final = "hallmark-trusted-time/v1"
_BYTES_MAX: Final = 4_096
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MEMBERS = {"format", "floor", "fresh_at", "boot_id", "boot_microseconds", "source", "rtc_latest"}


class Source(Enum):
    """What the floor stands on in this boot."""

    HEARTBEAT = "heartbeat"
    MANIFEST = "manifest"
    STORED = "stored"
    """The service was not heard in this boot."""


class Basis(Enum):
    """What `Now.time` stands on."""

    BOOT_CLOCK = "boot clock"
    """The service has been heard in this boot."""
    RTC = "rtc"
    """Not since the reboot; the real-time clock is later than the floor."""
    UNKNOWN = "unknown"
    """Not since the reboot, and the real-time clock is behind the floor: it was set back, or has lost its battery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """One reading. boot_id: other after each boot (/proc/sys/kernel/random/boot_id). boot: CLOCK_BOOTTIME."""

    boot_id: str
    boot: timedelta
    rtc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """proven: it is at least this late, by signed times and the boot clock. time: the latest that can be assumed."""

    proven: datetime
    time: datetime
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedTime:
    """To be stored with the feed's state. fresh_at: when, in the service's time, state was last known to be current."""

    floor: datetime = _NEVER
    fresh_at: datetime | None = None
    boot_id: str = ""
    boot: timedelta = timedelta()
    """Of the boot clock when the floor was learnt."""
    source: Source = Source.STORED
    rtc_latest: datetime = _NEVER
    """The latest time that was assumed by the real-time clock, which may since have been set back: time goes on from
    there by the boot clock.
    """

    def at(self, clocks: Clocks) -> Now:
        """Never earlier than at an earlier reading that was stored (`ticked`), whatever the clocks show."""
        same_boot = self.boot_id == clocks.boot_id
        ran = max(clocks.boot - self.boot if same_boot else clocks.boot, timedelta())
        proven = self.floor + ran
        if same_boot and self.source is Source.HEARTBEAT:
            return Now(proven=proven, time=proven, basis=Basis.BOOT_CLOCK)
        # What a manifest said, or the floor, may be long ago: the real-time clock may know better, but only upwards.
        latest = max(proven, clocks.rtc, self.rtc_latest + ran)
        if same_boot and self.source is Source.MANIFEST:
            return Now(proven=proven, time=latest, basis=Basis.BOOT_CLOCK)
        return Now(proven=proven, time=latest, basis=Basis.UNKNOWN if clocks.rtc < proven else Basis.RTC)

    def heard(self, server_time: datetime, clocks: Clocks) -> Self:
        """A verified heartbeat over our nonce: the service was there, and what it told before is current."""
        floor = max(self.at(clocks).proven, server_time)
        return replace(self._moved(floor, clocks, Source.HEARTBEAT, self._fresh(server_time)), rtc_latest=_NEVER)

    def read(self, issued_at: datetime, clocks: Clocks) -> Self:
        """A verified manifest. One that is not later than what is known anchors nothing: it may be a replay."""
        now = self.at(clocks)
        fresh = self._fresh(issued_at)
        if issued_at <= now.proven:
            return replace(self, fresh_at=fresh)
        heard = self.boot_id == clocks.boot_id and self.source is Source.HEARTBEAT
        return self._moved(issued_at, clocks, Source.HEARTBEAT if heard else Source.MANIFEST, fresh)

    def told(self, signed_at: datetime, clocks: Clocks) -> Self:
        """A verified event: it is at least as late as when it was signed, so a lease that begins then has begun. Only
        forward, and only in a boot in which the service was heard: before that nothing becomes current by an old event,
        and a real-time clock that is a little behind stays believed.
        """
        now = self.at(clocks)
        if self.boot_id != clocks.boot_id or self.source is Source.STORED or signed_at <= now.proven:
            return self
        moved = self._moved(signed_at, clocks, self.source, self.fresh_at)
        return moved if self.source is Source.HEARTBEAT else replace(moved, rtc_latest=now.time)

    def ticked(self, clocks: Clocks) -> Self:
        """The same knowledge, moved to now. Store it often: what was not stored, a reboot takes back."""
        now = self.at(clocks)
        if self.boot_id == clocks.boot_id and self.source is Source.HEARTBEAT:
            return self._moved(now.proven, clocks, Source.HEARTBEAT, self.fresh_at)
        source = self.source if self.boot_id == clocks.boot_id else Source.STORED
        return replace(self._moved(now.proven, clocks, source, self.fresh_at), rtc_latest=now.time)

    def to_json(self) -> bytes:
        return canonical_json(
            {
                "format": _FORMAT,
                "floor": format_time(self.floor),
                "fresh_at": None if self.fresh_at is None else format_time(self.fresh_at),
                "boot_id": self.boot_id,
                "boot_microseconds": self.boot // timedelta(microseconds=1),
                "source": self.source.value,
                "rtc_latest": format_time(self.rtc_latest),
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises StateInvalid."""
        found = parse_canonical(data, what="a stored time", max_bytes=_BYTES_MAX, refuse=StateInvalid)
        if found.keys() != _MEMBERS or found["format"] != _FORMAT:
            raise StateInvalid("the stored time is of another format")
        sources = {source.value: source for source in Source}
        match found:
            case {"boot_id": str(boot_id), "boot_microseconds": int(boot), "source": str(source)} if (
                type(boot) is int and 0 <= boot <= INTEGER_MAX and source in sources
            ):
                pass
            case _:
                raise StateInvalid("the stored time is damaged")
        fresh_at = found["fresh_at"]
        return cls(
            floor=parse_time(found["floor"], what="floor", refuse=StateInvalid),
            fresh_at=None if fresh_at is None else parse_time(fresh_at, what="fresh_at", refuse=StateInvalid),
            boot_id=boot_id,
            boot=timedelta(microseconds=boot),
            source=sources[source],
            rtc_latest=parse_time(found["rtc_latest"], what="rtc_latest", refuse=StateInvalid),
        )

    def _fresh(self, moment: datetime) -> datetime:
        return moment if self.fresh_at is None else max(self.fresh_at, moment)

    def _moved(self, floor: datetime, clocks: Clocks, source: Source, fresh_at: datetime | None) -> Self:
        return replace(self, floor=floor, fresh_at=fresh_at, boot_id=clocks.boot_id, boot=clocks.boot, source=source)
