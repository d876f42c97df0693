"""Stream configurations as JSON (SSF 1.0, section 8.1.1): what a receiver may ask for, and how a stream is shown."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kms.core.canonical import Json
from kms.ssf import bodies
from kms.ssf.addresses import URL_CHARACTERS_MAX, AddressRefused, Networks, parse_endpoint
from kms.ssf.bodies import Members
from kms.ssf.errors import RequestInvalid
from kms.ssf.model import EVENTS_SUPPORTED, Delivery, Method, Receiver, SsfSettings, Stream, Wishes

POLL_PATH: Final = "/ssf/poll/"
_EVENTS_MAX: Final = 64
_URI_CHARACTERS_MAX: Final = 255
_DESCRIPTION_CHARACTERS_MAX: Final = 512
_HEADER_CHARACTERS_MAX: Final = 4096
_TRANSMITTERS: Final = ("iss", "aud", "events_supported", "min_verification_interval", "inactivity_timeout")


def shown(stream: Stream, receiver: Receiver, settings: SsfSettings) -> dict[str, Json]:
    """authorization_header is left out: who configured it knows it, and nobody else should."""
    wishes = stream.wishes
    url = wishes.delivery.endpoint_url or f"{settings.issuer}{POLL_PATH}{stream.id}"
    configuration: dict[str, Json] = {
        "stream_id": stream.id,
        "iss": settings.issuer,
        "aud": receiver.audience,
        "events_supported": list(EVENTS_SUPPORTED),
        "events_requested": list(wishes.events_requested),
        "events_delivered": list(wishes.events_delivered),
        "delivery": {"method": wishes.delivery.method.value, "endpoint_url": url},
        "min_verification_interval": int(settings.min_verification_interval.total_seconds()),
        "inactivity_timeout": int(settings.inactivity_timeout.total_seconds()),
    }
    if wishes.description:
        configuration["description"] = wishes.description
    return configuration


def wishes_of(members: Members, networks: Networks, before: Wishes | None = None) -> Wishes:
    """From a body. What it does not name stays as `before`; without one it gets its default (create, replace).

    Raises RequestInvalid.
    """
    wishes = before or Wishes()
    if "delivery" in members:
        wishes = replace(wishes, delivery=_delivery(members["delivery"], networks))
    if "events_requested" in members:
        wishes = replace(wishes, events_requested=_events(members["events_requested"]))
    description = bodies.text(members, "description", most=_DESCRIPTION_CHARACTERS_MAX)
    return wishes if description is None else replace(wishes, description=description)


def check_transmitters(members: Members, now: Mapping[str, Any]) -> None:
    """What the transmitter supplies may be repeated in an update, but not changed. Raises RequestInvalid."""
    for name in (*_TRANSMITTERS, "events_delivered"):
        if name in members and _comparable(members[name]) != _comparable(now[name]):
            raise RequestInvalid(f"{name} is supplied by the transmitter and can not be changed")


def _comparable(value: Any) -> Any:
    """An audience alone is the same as a list of it, and lists of events have no order."""
    if isinstance(value, list):
        return sorted(map(repr, value))
    return [repr(value)]


def _events(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _EVENTS_MAX:
        raise RequestInvalid(f"events_requested is a list of at most {_EVENTS_MAX} URIs")
    for each in value:
        if not isinstance(each, str) or not 1 <= len(each) <= _URI_CHARACTERS_MAX or not each.isascii():
            raise RequestInvalid("events_requested is a list of URIs")
        if not each.isprintable():
            raise RequestInvalid("events_requested is a list of URIs")
    return tuple(dict.fromkeys(value))


def _delivery(value: object, networks: Networks) -> Delivery:
    if not isinstance(value, dict):
        raise RequestInvalid("delivery is an object with method and endpoint_url")
    match value.get("method"):
        case Method.POLL.value:  # its endpoint_url is ours to say
            return Delivery()
        case Method.PUSH.value:
            return _push(value, networks)
        case _:
            raise RequestInvalid(f"delivery.method is {Method.PUSH.value} or {Method.POLL.value}")


def _push(value: Members, networks: Networks) -> Delivery:
    url = bodies.text(value, "endpoint_url", most=URL_CHARACTERS_MAX, least=1)
    if url is None:
        raise RequestInvalid("delivery.endpoint_url is required for push")
    try:
        parse_endpoint(url, networks)
    except AddressRefused as error:
        raise RequestInvalid(f"delivery: {error}") from error
    header = bodies.text(value, "authorization_header", most=_HEADER_CHARACTERS_MAX, least=1)
    if header is not None and not (header.isascii() and header.isprintable() and header == header.strip()):
        raise RequestInvalid("delivery.authorization_header is the value of one HTTP header")
    return Delivery(Method.PUSH, url, header or "")
