"""The machine's side of a server."""

from pathlib import Path

from kms.cli.doctor.finding import Level
from kms.cli.doctor.places_check import check_places
from kms.config import load_config


def test_settings_are_looked_at_before_the_first_start(tmp_path: Path) -> None:
    """Nothing is broken yet, and nothing is made."""
    home = tmp_path / "hallmark"
    (finding,) = check_places(load_config(environment={}, overrides={"home": home}))
    assert (finding.check, finding.level) == ("home", Level.WARNING)
    assert not home.exists()
    url = "postgresql+psycopg://nobody@127.0.0.1:1/hallmark"
    found = list(check_places(load_config(environment={}, overrides={"home": home, "database.url": url})))
    assert [(each.check, each.level) for each in found] == [("home", Level.WARNING), ("database", Level.PROBLEM)]
