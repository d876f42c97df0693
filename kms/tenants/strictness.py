"""When channel rules are at least as strict as others: what a tenant's own admins may change by themselves."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from kms.tenants.model import ChannelMode, ChannelRules, Trigger

_STRICTNESS = {ChannelMode.ALLOW: 0, ChannelMode.PREFER: 1, ChannelMode.REQUIRE: 2}


def loosened(before: ChannelRules, after: ChannelRules) -> tuple[str, ...]:
    """The members that let a session without post-quantum TLS do what it could not do before, by their names on the
    wire; empty when everything allowed after the change was allowed before it.

    It may name one although others make up for it (a trigger that is left out because two new ones cover it together);
    it never leaves one out.
    """
    if after.mode is ChannelMode.REQUIRE:
        return ()
    if _STRICTNESS[after.mode] < _STRICTNESS[before.mode]:
        return ("mode",)
    looser = []
    if before.mode is after.mode is ChannelMode.PREFER:
        if after.classical_sensitivity > before.classical_sensitivity:
            looser.append("classical_sensitivity")
        if after.classical_bytes_per_day > before.classical_bytes_per_day:
            looser.append("classical_bytes_per_day")
    if not all(_is_kept(trigger, after) for trigger in before.triggers):
        looser.append("triggers")
    return tuple(looser)


def _is_kept(trigger: Trigger, rules: ChannelRules) -> bool:
    """Wherever the trigger fits, the rules ask for post-quantum TLS."""
    if rules.mode is ChannelMode.PREFER and trigger.sensitivity > rules.classical_sensitivity:
        return True
    return any(_covers(other, trigger) for other in rules.triggers)


def _covers(wide: Trigger, narrow: Trigger) -> bool:
    """Empty means any, for networks and for regions."""
    networks = not wide.networks or (
        bool(narrow.networks) and all(_is_within(network, wide.networks) for network in narrow.networks)
    )
    regions = not wide.regions or (bool(narrow.regions) and {*narrow.regions} <= {*wide.regions})
    return networks and regions and wide.sensitivity <= narrow.sensitivity


def _is_within(network: str, others: tuple[str, ...]) -> bool:
    inner = ip_network(network)
    return any(_contains(ip_network(other), inner) for other in others)


def _contains(outer: IPv4Network | IPv6Network, inner: IPv4Network | IPv6Network) -> bool:
    match outer, inner:
        case (IPv4Network(), IPv4Network()) | (IPv6Network(), IPv6Network()):
            return outer.supernet_of(inner)  # type: ignore[arg-type]
        case _:
            return False
