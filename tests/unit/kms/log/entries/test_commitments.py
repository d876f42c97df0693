from hallmark_tlog.entry import parse_entry, verify_opening
from kms.log.entries import openings_store
from kms.log.entries.commitments import Committed, commit, matches, record_with_facts
from kms.log.model import LogEntry
from support.log_world import LogWorld
from support.randomness import SeededRandomness

FACTS = {"name": "Ada", "city": "London"}


def test_every_fact_has_a_salt_of_its_own() -> None:
    one = commit({"a": "same", "b": "same"}, SeededRandomness(1))
    two = commit({"a": "same", "b": "same"}, SeededRandomness(2))
    assert len({*one.salts.values(), *two.salts.values()}) == 4
    assert len({*one.commitments.values(), *two.commitments.values()}) == 4
    assert {len(value) for value in (*one.salts.values(), *one.commitments.values())} == {32}


def test_the_same_facts_match_and_others_do_not() -> None:
    committed = commit(FACTS, SeededRandomness(1))
    assert matches(committed, FACTS)
    for other in ({**FACTS, "name": "Eve"}, {"name": "Ada"}, {**FACTS, "more": "x"}, {}):
        assert not matches(committed, other)
    assert matches(Committed({}, {}), {})


async def test_an_act_that_names_somebody_commits_with_its_salts(world: LogWorld) -> None:
    now = world.clock.now()
    entry = LogEntry("k1", "proposal.rejected", "default", "tenants/default/proposals/1", now)
    promise = await world.database.write(
        lambda tx: record_with_facts(tx, world.log, entry, {"rejecter": "spiffe://x/ada"}, SeededRandomness(1))
    )
    assert b"ada" not in promise.entry
    salts = await world.read(lambda tx: openings_store.find_salts(tx, "default", ["k1"]))
    assert verify_opening(parse_entry(promise.entry), "rejecter", "spiffe://x/ada", salts["k1"]["rejecter"])
