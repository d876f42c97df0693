"""What operators may set (kms.app.ssf)."""

from ipaddress import ip_network
from typing import Any

import pytest

from kms.app.ssf import ssf_settings
from kms.config import Config, ConfigError, SsfConfig

ISSUER = "https://signals.example.com"


def _config(**ssf: Any) -> Config:
    return Config(ssf=SsfConfig(**{"enabled": True, "issuer": ISSUER, **ssf}))


def test_what_is_set_counts() -> None:
    settings = ssf_settings(_config(issuer=ISSUER + "/", push_networks=("10.20.0.0/16",), push_interval_seconds=2))
    assert (settings.issuer, settings.networks) == (ISSUER, (ip_network("10.20.0.0/16"),))
    assert settings.push_interval.total_seconds() == 2


@pytest.mark.parametrize(
    "issuer", [None, "", "http://signals.example.com", ISSUER + "/a", ISSUER + "?a", ISSUER + "/#a", "https://[::1"]
)
def test_an_issuer_is_an_https_url_without_a_path(issuer: str | None) -> None:
    with pytest.raises(ConfigError, match=r"ssf\.issuer"):
        ssf_settings(_config(issuer=issuer))


def test_networks_are_networks() -> None:
    with pytest.raises(ConfigError, match=r"ssf\.push_networks"):
        ssf_settings(_config(push_networks=("10.0.0.1/8",)))
