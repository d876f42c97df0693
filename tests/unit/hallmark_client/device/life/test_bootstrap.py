from pathlib import Path

from hallmark_client.device.life.bootstrap import keep_bootstrap, kept_bootstrap
from hallmark_client.profile import Profile
from unit.hallmark_client.device.life.conftest import Drawer
from unit.hallmark_client.device.life.service import AUTHORITY


def test_kept_whole_in_the_vault() -> None:
    identity, kept = AUTHORITY.client("backend"), Drawer()
    profile = Profile(
        address="localhost:7443",
        ca_pem=AUTHORITY.pem,
        cert_pem=identity.cert_pem,
        key_pem=identity.key_pem,
        tenant="acme",
        public_url="http://localhost:7480",
    )
    keep_bootstrap(profile, kept)
    assert kept_bootstrap(kept) == profile


def test_tokens_are_not_kept() -> None:
    kept = Drawer()
    keep_bootstrap(Profile(address="h:1", ca_pem=AUTHORITY.pem, token=lambda: "t"), kept)
    keep_bootstrap(Profile(address="h:1", ca_pem=AUTHORITY.pem, token_file=Path("/run/token")), kept)
    assert not kept
    assert kept_bootstrap(kept) is None
