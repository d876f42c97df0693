"""Boot event logs in the crypto-agile format of the TCG, for virtual TPMs and confidential guests."""

from collections.abc import Iterable

from attestation.event_log import EV_NO_ACTION, Event, HashId


def write_event_log(events: Iterable[Event], *, algorithms: tuple[HashId, ...], padding: bytes = b"") -> bytes:
    """The log as firmware lays it out: the first event declares the algorithms, padding follows the last."""
    sizes = b"".join(_u16(algorithm) + _u16(algorithm.size) for algorithm in algorithms)
    spec_id = b"Spec ID Event03\0" + bytes(4) + b"\x00\x02\x00\x02" + _u32(len(algorithms)) + sizes + b"\0"
    first = _u32(0) + _u32(EV_NO_ACTION) + bytes(20) + _u32(len(spec_id)) + spec_id
    return first + b"".join(map(write_event, events)) + padding


def write_event(event: Event) -> bytes:
    """One TCG_PCR_EVENT2."""
    digests = b"".join(_u16(algorithm) + digest for algorithm, digest in event.digests)
    head = _u32(event.index) + _u32(event.event_type) + _u32(len(event.digests))
    return head + digests + _u32(len(event.data)) + event.data


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")
