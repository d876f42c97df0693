from pathlib import Path

import pytest

from kms.app.log_succession import _refuse_while_others_run
from kms.config import Config, DatabaseConfig
from kms.core.database import Database
from kms.core.errors import FailedPrecondition


async def test_a_replica_that_runs_is_seen(database_url: str, tmp_path: Path) -> None:
    config = Config(home=tmp_path, database=DatabaseConfig(url=database_url))
    await _refuse_while_others_run(config)
    replica = Database(database_url)
    try:
        await replica.write(lambda tx: tx.exec_driver_sql("SELECT 1").scalar())
        if database_url.startswith("sqlite"):  # the home's lock tells there
            await _refuse_while_others_run(config)
        else:
            with pytest.raises(FailedPrecondition, match="stop every replica first"):
                await _refuse_while_others_run(config)
    finally:
        replica.close()
    await _refuse_while_others_run(config)
