"""The three clocks of a device, as one argument: seconds since boot, which boot, and what anybody can set."""

import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hallmark_events.trusted_time import Clocks

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_OF_THIS_PROCESS: Final = str(uuid.uuid4())


def _boot_seconds() -> float:
    """With suspended time: CLOCK_BOOTTIME on Linux, where CLOCK_MONOTONIC leaves it out (clock_gettime(2)), and
    CLOCK_MONOTONIC on macOS, where time.monotonic() leaves it out (clock_gettime(3) there).
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.clock_gettime(time.CLOCK_MONOTONIC) if sys.platform == "darwin" else time.monotonic()


def _boot_id() -> str:
    """Where the system names no boot, every start of the program counts as one: less is believed, never more."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or _OF_THIS_PROCESS
    except (OSError, UnicodeDecodeError):
        return _OF_THIS_PROCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClock:
    """boot_seconds: since boot, suspended time too. boot_id: another one after each boot. rtc: aware, not trusted."""

    boot_seconds: Callable[[], float] = _boot_seconds
    boot_id: Callable[[], str] = _boot_id
    rtc: Callable[[], datetime] = lambda: datetime.now(UTC)

    def read(self) -> Clocks:
        return Clocks(boot_id=self.boot_id(), boot=timedelta(seconds=self.boot_seconds()), rtc=self.rtc())
