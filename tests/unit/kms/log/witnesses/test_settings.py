from pathlib import Path

import pytest

from hallmark_tlog.policy import parse_policy
from hallmark_tlog.vkey import KeyType
from kms.log.witnesses.settings import WitnessMode, WitnessSettings, policy_of_log, read_witness_policy
from support.witnesses import cosigning_key

V1, V2, V3 = (str(cosigning_key(f"w{n}", KeyType.ED25519_COSIGNATURE).vkey) for n in range(3))
LOG = cosigning_key("log.example/a", KeyType.ML_DSA_44).vkey
OTHER_LOG = cosigning_key("log.example/b", KeyType.ML_DSA_44).vkey


def policy(*, urls: tuple[str, str, str], quorum: int):
    lines = "".join(
        f"witness w{n} {vkey} {url}\n" for n, (vkey, url) in enumerate(zip((V1, V2, V3), urls, strict=True))
    )
    return parse_policy(f"{lines}group g {quorum} w0 w1 w2\nquorum g\n")


def test_keys_of_one_url_are_asked_together() -> None:
    settings = WitnessSettings(policy=policy(urls=("https://a/", "https://b", "https://a"), quorum=2))
    asked = {url: [witness.name for witness in group] for url, group in settings.by_url().items()}
    assert asked == {"https://a": ["w0", "w2"], "https://b": ["w1"]}


def test_closed_needs_a_quorum_that_can_be_reached() -> None:
    urls = ("https://a", "", "https://c")
    WitnessSettings(policy=policy(urls=urls, quorum=2), mode=WitnessMode.CLOSED)
    WitnessSettings(policy=policy(urls=urls, quorum=3), mode=WitnessMode.OPEN)
    with pytest.raises(ValueError, match="no URL is given for w1"):
        WitnessSettings(policy=policy(urls=urls, quorum=3), mode=WitnessMode.CLOSED)


def test_urls_are_safe() -> None:
    with pytest.raises(ValueError, match="must be an https URL"):
        WitnessSettings(policy=policy(urls=("http://w.example", "", ""), quorum=1))


@pytest.mark.parametrize("wrong", [{"timeout_seconds": 0}, {"interval_seconds": -1}])
def test_times_are_positive(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        WitnessSettings(**wrong)


def test_closed_asks_for_witnesses() -> None:
    nobody = parse_policy(f"witness w0 {V1} https://a\nquorum none\n")
    WitnessSettings(policy=nobody, mode=WitnessMode.OPEN)
    for settings in ({"policy": nobody}, {}):
        with pytest.raises(ValueError, match="quorum other than none"):
            WitnessSettings(mode=WitnessMode.CLOSED, **settings)


@pytest.mark.parametrize("mode", WitnessMode)
def test_checkpoints_keep_the_pace_of_the_witnesses(mode: WitnessMode) -> None:
    asked = policy(urls=("https://a", "", ""), quorum=1)
    assert WitnessSettings(policy=asked, mode=mode, interval_seconds=2).pace_seconds == 2
    assert WitnessSettings(interval_seconds=2).pace_seconds == 0


def test_the_public_policy_has_this_log_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(f"log {OTHER_LOG}\nwitness w {V1} https://a\nquorum w\n")
    public = policy_of_log(read_witness_policy(file), [LOG])
    assert parse_policy(str(public)) == public
    assert [log.vkey for log in public.logs] == [LOG]
    assert public.quorum == "w"


@pytest.mark.parametrize(
    ("content", "says"), [(None, "can not be read"), (b"quorum w\n", "line 1"), (b"\xff", "UTF-8")]
)
def test_a_policy_that_can_not_be_read_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "witnesses.policy"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=says) as refused:
        read_witness_policy(file)
    assert "witnesses.policy" in str(refused.value)
