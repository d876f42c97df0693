"""The HSM that both replicas share goes away and comes back."""

import os
import signal
import time
from pathlib import Path

import pytest

from hallmark_client import Unavailable
from rpc.wire import fresh_name
from support.deployment_recovery import PROPERTY, fault_row, until_it_signs
from support.postgresql import PostgresqlServer
from support.replicas import two_replicas
from support.signer_processes import signer_pids


def test_a_token_that_both_share_goes_away_and_heals(
    postgresql: PostgresqlServer, tmp_path: Path, record_property
) -> None:
    with postgresql.database() as url, two_replicas(tmp_path, url) as replicas:
        key = fresh_name()
        with replicas.first.client() as admin:
            admin.keys.create(key)
        for each in replicas.both:
            until_it_signs(each, key, since=time.monotonic())
        tokens = replicas.first.home / "hsm"
        away = tmp_path / "away"
        tokens.rename(away)
        for each in replicas.both:
            for pid in signer_pids(each):
                os.kill(pid, signal.SIGKILL)
        for each in replicas.both:
            with each.client("backend", timeout_seconds=5) as client:
                with pytest.raises(Unavailable) as refused:
                    client.signing.sign(key, b"x")
                assert refused.value.reason == "HSM_UNAVAILABLE"
                assert client.keys.get(key).name, "what needs no token still works"
        back_at = time.monotonic()
        away.rename(tokens)
        seconds = [until_it_signs(each, key, since=back_at) for each in replicas.both]
    record_property(PROPERTY, fault_row("token gone and back: both sign", calls=2, lost=None, recovery=seconds))
