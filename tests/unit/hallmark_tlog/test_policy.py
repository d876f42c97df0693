import time

import pytest

from hallmark_tlog.errors import FormatError, QuorumNotReached
from hallmark_tlog.policy import MAX_DECLARATIONS, Group, Policy, PolicyLog, Witness, parse_policy
from hallmark_tlog.verify import Signer
from hallmark_tlog.vkey import KeyType, VerifierKey
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, SIGNED_AT, WITNESS_ED25519, WITNESS_ML_DSA


def key(number: int, key_type: KeyType = KeyType.ED25519_COSIGNATURE) -> VerifierKey:
    return VerifierKey(f"witness.example/{number}", key_type, number.to_bytes(32, "big"))


def lines(*declarations: str) -> str:
    return "".join(f"{line}\n" for line in declarations)


def witnesses(count: int) -> list[str]:
    return [f"witness w{number} {key(number)}" for number in range(count)]


def signers(*numbers: int, timestamp: int = SIGNED_AT) -> list[Signer]:
    return [Signer(key(number).name, key(number).key_id, KeyType.ED25519_COSIGNATURE, timestamp) for number in numbers]


def counted(policy: Policy, *numbers: int) -> list[str]:
    return [name for name, _ in policy.check(signers(*numbers)).cosigners]


TWO_LEVELS = lines(
    f"log {LOG_ED25519.vkey} https://log.example/",
    f"log {LOG_ML_DSA.vkey}",
    *witnesses(6),
    "group x 2 w0 w1 w2",
    "group y any w3 w4 w5",
    "group both all x y",
    "quorum both",
)


def test_everything_is_read() -> None:
    policy = parse_policy(TWO_LEVELS)
    assert policy.logs == (PolicyLog(LOG_ED25519.vkey, "https://log.example/"), PolicyLog(LOG_ML_DSA.vkey))
    assert policy.witnesses[3] == Witness("w3", key(3))
    assert policy.groups[:2] == (Group("x", 2, ("w0", "w1", "w2")), Group("y", 1, ("w3", "w4", "w5")))
    assert (policy.groups[2].threshold, policy.quorum) == (2, "both")
    assert policy.vkeys == (LOG_ED25519.vkey, LOG_ML_DSA.vkey, *map(key, range(6)))
    assert parse_policy(TWO_LEVELS.encode()) == policy


def test_it_is_written_as_it_is_read() -> None:
    text = TWO_LEVELS.replace(" any ", " 1 ")
    assert str(parse_policy(text)) == text


def test_white_space_and_comments() -> None:
    text = f"\n\t# witnesses\n  witness\tw0   {key(0)}  https://w.example/#main # ours\t\n\n quorum w0 #\n#quorum none"
    policy = parse_policy(text)
    assert policy.witnesses == (Witness("w0", key(0), "https://w.example/#main"),)
    assert policy.quorum == "w0"


@pytest.mark.parametrize(
    ("signed", "reached"),
    [
        ((), False),
        ((0, 1), False),
        ((0, 3, 4, 5), False),
        ((0, 1, 2), False),
        ((0, 1, 3), True),
        ((1, 2, 5), True),
        ((0, 1, 2, 3, 4, 5), True),
    ],
)
def test_nested_groups(signed: tuple[int, ...], reached: bool) -> None:
    policy = parse_policy(TWO_LEVELS)
    missing = {f"w{number}" for number in range(6) if number not in signed}
    if reached:
        assert counted(policy, *signed) == [f"w{number}" for number in signed]
        assert policy.missing(signers(*signed)) == ()
    else:
        with pytest.raises(QuorumNotReached, match="both") as raised:
            policy.check(signers(*signed))
        assert set(raised.value.missing) == missing == set(policy.missing(signers(*signed)))


def test_only_the_quorum_matters() -> None:
    policy = parse_policy(lines(*witnesses(3), "group g all w0 w1", "quorum w2"))
    assert counted(policy, 2) == ["w2"]
    assert policy.missing(signers(0, 1)) == ("w2",)


def test_no_quorum_is_always_reached() -> None:
    policy = parse_policy(lines(*witnesses(1), "quorum none"))
    assert counted(policy) == []
    assert counted(policy, 0) == ["w0"]
    assert policy.missing(()) == ()


def test_strangers_and_cosignatures_without_time_do_not_count() -> None:
    policy = parse_policy(lines(*witnesses(1), "quorum w0"))
    other_type = Signer(key(0).name, key(0, KeyType.ED25519).key_id, KeyType.ED25519, None)
    for signed in (signers(1), signers(0, timestamp=0), [other_type]):
        with pytest.raises(QuorumNotReached):
            policy.check(signed)


def test_an_ed25519_witness_listed_as_0x01_cosigns_as_0x04() -> None:
    policy = parse_policy(lines(f"witness w0 {key(0, KeyType.ED25519)}", "quorum w0"))
    assert policy.vkeys == (key(0),)
    assert counted(policy, 0) == ["w0"]
    assert parse_policy(str(policy)) == policy


def test_a_key_under_two_names_counts_once() -> None:
    names = (f"witness a {key(0)}", f"witness b {key(0)}", f"witness c {key(0, KeyType.ED25519)}")
    policy = parse_policy(lines(*names, "group g 2 a b c", "quorum g"))
    with pytest.raises(QuorumNotReached, match=r"1 witnesses cosigned \(a\)"):
        policy.check(signers(0))
    assert policy.missing(signers(0)) == ("b", "c")


def test_both_key_types_witness() -> None:
    text = lines(f"witness a {WITNESS_ED25519.vkey}", f"witness b {WITNESS_ML_DSA.vkey}", "group g all a b", "quorum g")
    assert parse_policy(text).vkeys == (WITNESS_ED25519.vkey, WITNESS_ML_DSA.vkey)


def test_the_sizes_the_specification_asks_for() -> None:
    names = [f"w{number}" for number in range(32)]
    groups = [f"group g{number} 1 {name}" for number, name in enumerate(names)]
    policy = parse_policy(lines(*witnesses(32), *groups, "quorum g31"))
    assert counted(policy, 31) == ["w31"]


def test_a_chain_of_groups_as_long_as_allowed() -> None:
    chain = [f"group g{number + 1} all g{number}" for number in range(1, MAX_DECLARATIONS)]
    policy = parse_policy(lines(*witnesses(1), "group g1 all w0", *chain, f"quorum g{MAX_DECLARATIONS}"))
    assert counted(policy, 0) == ["w0"]
    assert policy.missing(()) == ("w0",)


W0, W1 = witnesses(2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        W0,
        lines(W0, "quorum w1"),
        lines("quorum w0", W0),
        lines(W0, "quorum w0", "quorum w0"),
        lines("quorum none", "quorum none"),
        lines("quorum"),
        lines(W0, "quorum w0 w0"),
        lines(W0, W0, "quorum w0"),
        lines(W0, "group w0 any w0", "quorum w0"),
        lines(W0, "group g any w0", f"witness g {key(1)}", "quorum g"),
        lines(W0, "group g any", "quorum g"),
        lines(W0, "group g", "quorum g"),
        lines(W0, "group g 0 w0", "quorum g"),
        lines(W0, "group g 2 w0", "quorum g"),
        lines(W0, "group g -1 w0", "quorum g"),
        lines(W0, "group g 01 w0", "quorum g"),
        lines(W0, "group g +1 w0", "quorum g"),
        lines(W0, "group g \u0661 w0", "quorum g"),
        lines(W0, "group g ALL w0", "quorum g"),
        lines(W0, "group g any w0 w0", "quorum g"),
        lines(W0, "group g any none", "quorum g"),
        lines(W0, "group g any g", "quorum g"),
        lines("group g any w0", W0, "quorum g"),
        lines(W0, W1, "group g any w0", "group h any w0 w1", "quorum h"),
        lines(W0, "group none any w0", "quorum none"),
        lines(W0, "group any any w0", "quorum any"),
        lines(f"witness all {key(0)}", "quorum all"),
        lines(f"witness w0 {key(0)} https://a https://b", "quorum w0"),
        lines(f"witness {key(0)}", "quorum none"),
        lines("witness w0 nonsense", "quorum w0"),
        lines("log", "quorum none"),
        lines(f"log {LOG_ED25519.vkey} https://a https://b", "quorum none"),
        lines(f"log {LOG_ED25519.vkey}", f"log {LOG_ED25519.vkey}", "quorum none"),
        lines(f"log {WITNESS_ED25519.vkey}", "quorum none"),
        lines(f"witness w {VerifierKey('a', 0xFF, b'x')}", "quorum w"),
        lines("witnesses w0", "quorum none"),
        lines("Quorum none"),
        lines("quorum none\r"),
        lines("quorum none", "# \x00"),
        lines("quorum none", "# \x7f"),
        lines("quorum\u00a0none"),
        lines("quorum none", "# \ud800"),
        "quorum none" + " " * 1_000_000,
        lines(*(f"group g{number} any" for number in range(2)), "quorum none"),
        lines(*witnesses(MAX_DECLARATIONS + 1), "quorum none"),
    ],
)
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(FormatError):
        parse_policy(text)


def test_bytes_that_are_not_utf8() -> None:
    with pytest.raises(FormatError):
        parse_policy(b"quorum none\n# \xff\n")


def test_problems_are_told_with_their_line() -> None:
    with pytest.raises(FormatError, match="line 2 of the policy: the quorum refers to 'w9'"):
        parse_policy(lines(W0, "quorum w9"))


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "#a", "any", "none", "a\n"])
def test_names_that_could_not_be_read_again(name: str) -> None:
    with pytest.raises(FormatError):
        Witness(name, key(0))
    with pytest.raises(FormatError):
        Group(name, 1, ("w0",))


@pytest.mark.parametrize("url", ["", "https://a b", "#a", "a\n"])
def test_urls_that_could_not_be_read_again(url: str) -> None:
    with pytest.raises(FormatError):
        PolicyLog(LOG_ED25519.vkey, url)


def test_the_largest_policy_is_read_in_no_time() -> None:
    """A policy may come from a stranger, in an evidence pack: names are looked up, not searched for."""
    keys = [VerifierKey("w", KeyType.ED25519_COSIGNATURE, number.to_bytes(32, "big")) for number in range(1000)]
    lines = [f"witness w{number} {key}" for number, key in enumerate(keys)]
    lines += [f"group g{number} 1 " + "w999 " * 440 for number in range(400)]
    began = time.process_time()
    with pytest.raises(FormatError, match="twice"):
        parse_policy("\n".join([*lines, "quorum g0", ""]))
    assert time.process_time() - began < 1
