"""Names come from callers: reading one never raises, and gives a tenant only where the name begins with it."""

from hypothesis import example, given
from hypothesis import strategies as st

from kms.keys.facts import facts_of_name

pieces = st.sampled_from(
    ["tenants", "default", "keys", "aliases", "manifest", "versions", "1", "", "\n", "A", "é", ".."]
)
names = st.one_of(st.text(max_size=600), st.lists(pieces, max_size=8).map("/".join))


@given(names)
@example("tenants/default/keys/manifest\n")
@example("tenants/default\n")
def test_any_text_has_facts(name: str) -> None:
    facts = facts_of_name(name)
    assert facts.name == name
    assert bool(facts.tenant) == bool(facts.kind)
    if facts.tenant:
        assert name == f"tenants/{facts.tenant}" or name.startswith(f"tenants/{facts.tenant}/{facts.kind}")
