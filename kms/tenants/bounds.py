"""What a tenant may be told to be: bounds and shapes of names, quotas and channel rules."""

from ipaddress import ip_network
from math import isfinite
from typing import Final

from kms.core.errors import InvalidArgument, Reason
from kms.core.names import check_id
from kms.tenants.model import ChannelRules, Quotas, Trigger

DISPLAY_NAME_MAX: Final = 100
REASON_MAX: Final = 512
RATE_MAX: Final = 1_000_000
HELD_MAX: Final = 1_000_000
COUNT_MAX: Final = 10**12
BYTES_PER_DAY_MAX: Final = 2**50
TRIGGERS_MAX: Final = 32
NETWORKS_MAX: Final = 64
REGIONS_MAX: Final = 32


def check_text(text: str, most: int, field: str) -> str:
    """Raises InvalidArgument: too long, or with control characters."""
    if len(text) > most or not (text.isprintable() or not text):
        raise _wrong(field, f"{field} may have {most} printable characters")
    return text


def check_quotas(quotas: Quotas) -> Quotas:
    """A rate is 0 or at least 1: a bucket holds one second's worth, and the smallest call takes one token. Raises
    InvalidArgument.
    """
    rate = quotas.rate_per_second
    if not isfinite(rate) or (rate != 0 and not 1 <= rate <= RATE_MAX):
        raise _wrong("quotas.rate_per_second", f"quotas.rate_per_second must be 0, or 1 to {RATE_MAX}")
    for field, most in (("concurrency", HELD_MAX), ("streams", HELD_MAX), ("keys", COUNT_MAX), ("devices", COUNT_MAX)):
        if not 0 <= getattr(quotas, field) <= most:
            raise _wrong(f"quotas.{field}", f"quotas.{field} must be 0 to {most}")
    return quotas


def check_rules(rules: ChannelRules) -> ChannelRules:
    """Raises InvalidArgument."""
    if not 0 < rules.classical_bytes_per_day <= BYTES_PER_DAY_MAX:
        field = "channel_rules.classical_bytes_per_day"
        raise _wrong(field, f"{field} must be 0 to {BYTES_PER_DAY_MAX}; 0 means 64 MiB")
    if len(rules.triggers) > TRIGGERS_MAX:
        raise _wrong("channel_rules.triggers", f"channel_rules may have {TRIGGERS_MAX} triggers")
    for number, trigger in enumerate(rules.triggers):
        _check_trigger(trigger, f"channel_rules.triggers[{number}]")
    return rules


def _check_trigger(trigger: Trigger, field: str) -> None:
    if len(trigger.networks) > NETWORKS_MAX or len(trigger.regions) > REGIONS_MAX:
        raise _wrong(field, f"a trigger may have {NETWORKS_MAX} networks and {REGIONS_MAX} regions")
    for network in trigger.networks:
        _check_network(network, f"{field}.networks")
    for region in trigger.regions:
        check_id(region, f"{field}.regions")


def _check_network(text: str, field: str) -> None:
    """CIDR (RFC 4632, RFC 4291), in its one canonical spelling. No zones (RFC 4007): they mean something here only."""
    try:
        canonical = str(ip_network(text.partition("%")[0]))
    except ValueError:
        canonical = ""
    if not text or text != canonical:
        example = f"; {canonical} is meant?" if canonical else ", such as 10.20.0.0/16 or 2001:db8::/32"
        raise _wrong(field, f"{field} must be networks in CIDR notation, without host bits{example}")


def _wrong(field: str, sentence: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, sentence, field=field)
