"""Networks that have names."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from kms.config import ConfigError, load_config


def test_a_region_is_a_list_of_networks(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[channels.regions]\noffice = ["10.20.0.0/16", "fd00:20::/32"]\n')
    found = load_config(file, environment={}).channels.regions
    assert found == {"office": (ip_network("10.20.0.0/16"), ip_network("fd00:20::/32"))}


@pytest.mark.parametrize(
    "regions",
    ['office = ["10.20.0.1/16"]', 'office = ["office"]', 'Office = ["10.20.0.0/16"]', 'office = "10.0.0.0/8"'],
)
def test_what_is_no_network_or_no_name_is_refused_by_its_key(tmp_path: Path, regions: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"[channels.regions]\n{regions}\n")
    with pytest.raises(ConfigError, match=r"channels\.regions"):
        load_config(file, environment={})
