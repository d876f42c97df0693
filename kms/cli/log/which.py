"""Which entry a command that asks the server is about: --entry as a number or an event key."""

from kms.cli.failure import not_usable

_EVENT_KEY_CHARACTERS_MAX = 64


def entry_arguments(wanted: str) -> dict[str, int | str]:
    """leaf_index or event_key, as the client's calls take them. Raises CommandError."""
    if wanted.isascii() and wanted.isdecimal() and len(wanted) <= 18:
        return {"leaf_index": int(wanted)}
    if not 0 < len(wanted) <= _EVENT_KEY_CHARACTERS_MAX:
        advice = "Give its number, or the event_key of a log promise"
        raise not_usable("ENTRY_UNCLEAR", f"{wanted[:80]} is no entry", advice)
    return {"event_key": wanted}
