"""`hallmark demo --replicas 2 --postgres`: the story of one replica's end, told by what happened."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kms.cli.demo import replicas_steps
from kms.cli.demo.private_postgresql import find_postgresql
from kms.cli.demo.replicas_findings import ReplicaFindings
from kms.cli.demo.replicas_stage import ReplicasStage, stage_in
from kms.cli.demo.show import Show, show_for
from kms.cli.demo.stage import DemoFailed
from kms.cli.demo.steps import Step, take

STEPS: Final = (
    Step("Start a PostgreSQL of its own", replicas_steps.start_database),
    Step("Start the replicas over it, and a load balancer", replicas_steps.start_replicas),
    Step("What one does, the other knows", replicas_steps.be_one_service),
    Step("Let backends sign and back offices watch through both", replicas_steps.get_busy),
    Step("Kill one replica with SIGKILL", replicas_steps.kill_one),
    Step("Start it again, revoke at the other", replicas_steps.revoke_at_one),
    Step("Look for every signature that was acknowledged", replicas_steps.count_losses),
    Step("Let an auditor verify the log from its public files", replicas_steps.audit_log),
)


def run_replicas_demo(replicas: int, *, keep: bool, as_json: bool) -> ReplicaFindings:
    """Raises DemoFailed for the first step that does not hold; CommandError where PostgreSQL is not installed."""
    binaries = find_postgresql()
    show = show_for(as_json=as_json)
    show.heading(f"Hallmark with {replicas} replicas: real servers over one real PostgreSQL, and one of them is killed")
    with _stage(binaries, replicas, show, keep=keep) as stage:
        for step in STEPS:
            take(step, stage, show, log_file=stage.log_file)
        if missing := stage.findings.missing():
            raise DemoFailed(f"these did not hold: {', '.join(missing)}")
    show.say()
    show.heading("All of it held: nothing acknowledged was lost. docs/faults.md tells what else was tried")
    return stage.findings


@contextmanager
def _stage(binaries: Path, replicas: int, show: Show, *, keep: bool) -> Iterator[ReplicasStage]:
    """All is gone afterwards, the database in any case; the rest is kept when something failed."""
    folder = Path(tempfile.mkdtemp(prefix="hallmark-demo-"))
    stage = stage_in(folder, binaries, replicas)
    try:
        yield stage
    except DemoFailed:
        keep = True
        raise
    finally:
        stage.close()
        if keep:
            show.say(f"Kept: {folder}, with the replicas' homes, their logs and the public files")
        else:
            shutil.rmtree(folder, ignore_errors=True)
