"""Channel rules from a file: read strictly, and mistakes told in the words of the file."""

from pathlib import Path

import pytest

from hallmark_client.model.enums import Sensitivity
from hallmark_client.model.tenants import ChannelMode, ChannelRules, ChannelTrigger
from kms.cli.failure import CommandError
from kms.cli.tenant_settings import TermsGiven


def _read(folder: Path, text: str) -> ChannelRules | None:
    (folder / "rules.json").write_text(text)
    return TermsGiven(quotas={}, channels=None, rules_file=folder / "rules.json").rules_over(None)


def test_all_that_rules_can_say(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        '{"mode": "require", "classical_sensitivity": "LOW", "classical_bytes_per_day": 5,'
        ' "triggers": [{"networks": ["10.0.0.0/8"], "regions": ["abroad"], "sensitivity": "high"}]}',
    )
    trigger = ChannelTrigger(networks=("10.0.0.0/8",), regions=("abroad",), sensitivity=Sensitivity.HIGH)
    assert found == ChannelRules(
        mode=ChannelMode.REQUIRE,
        classical_sensitivity=Sensitivity.LOW,
        classical_bytes_per_day=5,
        triggers=(trigger,),
    )
    assert _read(tmp_path, "{}") == ChannelRules()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "[] is not an object"),
        ('{"mod": "ALLOW"}', '"mod" is none of mode, classical_sensitivity'),
        ('{"mode": "sometimes"}', '"sometimes" is none of REQUIRE, PREFER, ALLOW'),
        ('{"mode": 3}', "3 is none of REQUIRE"),
        ('{"mode": "UNKNOWN"}', '"UNKNOWN" is none of'),
        ('{"classical_bytes_per_day": "many"}', 'is a whole number, not "many"'),
        ('{"classical_bytes_per_day": true}', "is a whole number, not true"),
        ('{"classical_bytes_per_day": 9223372036854775808}', "is a whole number, not 9223372036854775808"),
        ('{"triggers": 3}', "3 is not a list"),
        ('{"triggers": [{"networks": "10.0.0.0/8"}]}', '"10.0.0.0/8" is not a list'),
        ('{"triggers": [{"regions": [3]}]}', "3 is not text"),
        ('{"triggers": [{"region": []}]}', '"region" is none of networks, regions, sensitivity'),
        ("{", "Expecting property name"),
        ("[" * 60_000, "recursion"),
    ],
    ids=range(14),
)
def test_what_is_no_rules(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CommandError) as refused:
        _read(tmp_path, text)
    assert refused.value.reason == "CHANNEL_RULES"
    assert told in str(refused.value)
