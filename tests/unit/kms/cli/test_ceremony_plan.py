"""What a ceremony's file may say: read whole, judged by the server's own rules, every mistake named."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from kms.cli.ceremony.plan import read_plan
from kms.cli.failure import CommandError

HEAD = 'title = "First keys"\npresent = [{ name = "Alice", role = "custodian" }]\n'
KEY = '[[keys]]\nid = "release"\npurpose = "sign"\n'
SIGNED = '[transcript]\nsigned_by = "release"\n'


def plan_of(tmp_path: Path, text: str):
    file = tmp_path / "plan.toml"
    file.write_text(text)
    return read_plan(file)


def test_a_whole_plan(tmp_path: Path) -> None:
    text = (
        f'{HEAD}{KEY}algorithm = "id-MLDSA87-ECDSA-P384-SHA512"\nlabels = {{ team = "models" }}\n'
        "rotation = { period_days = 90, publish_lead_days = 7, verify_tail_days = 365 }\n"
        "usage_limits = { per_second = 10, total = 1000, not_after = 2030-01-01T00:00:00Z }\n"
        f'destroy_wait_days = 60\nexport_policy = "wrapped"\n{SIGNED}'
    )
    reviewed = plan_of(tmp_path, text)
    (key,) = reviewed.plan.keys
    settings = key.settings()
    assert reviewed.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert reviewed.plan.signer is key
    assert key.key_algorithm().title == "id-MLDSA87-ECDSA-P384-SHA512"
    assert (settings.rotation.period, settings.rotation.publish_lead) == (timedelta(days=90), timedelta(days=7))
    assert (settings.usage_limits.total, settings.destroy_wait) == (1000, timedelta(days=60))


def test_the_algorithm_follows_the_purpose(tmp_path: Path) -> None:
    more = '[[keys]]\nid = "telemetry"\npurpose = "envelope"\n'
    _, telemetry = plan_of(tmp_path, HEAD + KEY + more + SIGNED).plan.keys
    assert telemetry.key_algorithm().title == "HPKE-MLKEM768-X25519"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not toml", "not TOML"),
        (f"{HEAD}{KEY}", "transcript"),
        (f"{KEY}{SIGNED}", "title"),
        (f'title = "x"\npresent = []\n{KEY}{SIGNED}', "present"),
        (f"{HEAD}{KEY}extractable = true\n{SIGNED}", "keys.0.extractable"),
        (f"{HEAD}{KEY.replace('release', 'Release!')}{SIGNED}", "keys.0.id"),
        (f"{HEAD}{KEY.replace('sign', 'service')}{SIGNED}", "keys.0.purpose"),
        (f"{HEAD}{KEY}{KEY}{SIGNED}", "planned twice"),
        (f'{HEAD}{KEY}algorithm = "RSA"\n{SIGNED}', "no algorithm RSA"),
        (f'{HEAD}{KEY}algorithm = "HPKE-MLKEM768-X25519"\n{SIGNED}', "keys.release"),
        (f'{HEAD}{KEY}algorithm = "Ed25519"\n{SIGNED}', "must be a composite"),
        (f"{HEAD}{KEY.replace('sign', 'manifest')}{SIGNED}", "must be a composite key of purpose sign"),
        (f"{HEAD}{KEY}rotation = {{ period_days = 10, publish_lead_days = 9 }}\n{SIGNED}", "publish_lead"),
        (f"{HEAD}{KEY}destroy_wait_days = 0\n{SIGNED}", "destroy_wait"),
        (f"{HEAD}{KEY}usage_limits = {{ total = 0 }}\n{SIGNED}", "total"),
        (f"{HEAD}{KEY}usage_limits = {{ not_after = 2030-01-01T00:00:00 }}\n{SIGNED}", "not_after"),
        (f'{HEAD}{KEY}labels = {{ ceremony = "mine" }}\n{SIGNED}', "set by the ceremony"),
        (f'{HEAD}{KEY}destroy_wait_days = "30"\n{SIGNED}', "destroy_wait_days"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        plan_of(tmp_path, text)
    assert refused.value.reason == "CEREMONY_PLAN_INVALID"
    assert named in str(refused.value)
