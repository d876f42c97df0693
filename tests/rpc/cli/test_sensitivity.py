"""How sensitive a key is, from the command line."""

from rpc.wire import fresh_name


def test_a_key_is_made_sensitive_shown_and_changed(hallmark) -> None:
    name = fresh_name()
    created = hallmark("keys", "create", name, "--sensitivity", "high", "--json")
    assert (created.code, created.document["sensitivity"]) == (0, "HIGH")
    shown = [line.split() for line in hallmark("keys", "show", name).out.splitlines()]
    assert ["sensitivity", "high"] in shown
    assert hallmark("keys", "update", name, "--sensitivity", "maximum", "--json").document["sensitivity"] == "MAXIMUM"
    rehearsed = hallmark("keys", "update", name, "--sensitivity", "low", "--validate-only", "--json")
    assert rehearsed.document["loosened"] == ["sensitivity"]
    assert hallmark("keys", "create", fresh_name(), "--sensitivity", "huge").code == 2
