"""The tables of verdicts and of what they rest on; nobody else touches them.

Verdicts and the evidence they judged are kept, so that a verdict can be replayed. They hold what the device said about
itself: personal data, which stays in this database and never goes to the log. `attestation_input` keeps anchors,
policies and references to collateral once for all verdicts, by SHA-256.
"""

from dataclasses import dataclass

import cbor2
import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from attestation.case import Case
from attestation.digests import input_documents
from attestation.model import Evidence, Expectation, Format, Part
from kms.core.database import UtcTime, metadata
from kms.core.names import ChildName
from kms.devices.model import DeviceVerdict, SignedResult

verdict_table = sa.Table(
    "attestation_verdict",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("evidence", sa.LargeBinary, nullable=False),
    sa.Column("challenge", sa.LargeBinary(32), nullable=False),
    sa.Column("key_spki", sa.LargeBinary),
    sa.Column("last_counter", sa.BigInteger),
    sa.Column("result", sa.LargeBinary),
    sa.Column("create_time", UtcTime, nullable=False),
)

_input = sa.Table(
    "attestation_input",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

verdict_json = TypeAdapter(DeviceVerdict)
_result = TypeAdapter(SignedResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVerdict:
    """A verdict with what it judged. `documents`: canonical JSON of anchors, collateral and policy, as far as they were
    archived; verdicts of the first release have none, and no result.
    """

    verdict: DeviceVerdict
    evidence: Evidence
    expectation: Expectation
    result: SignedResult | None
    documents: dict[str, str]


def insert_verdict(tx: Connection, verdict: DeviceVerdict, case: Case, result: SignedResult) -> None:
    """The verdict as JSON, with the evidence and the expectation it judged; its other inputs once by SHA-256."""
    expectation = case.expectation
    tx.execute(
        verdict_table.insert().values(
            tenant=verdict.name.tenant,
            id=verdict.name.id,
            verdict=verdict_json.dump_json(verdict, ensure_ascii=True).decode(),
            evidence=cbor2.dumps([[part.name, part.data] for part in case.evidence.parts]),
            challenge=expectation.challenge,
            key_spki=expectation.key_spki,
            last_counter=expectation.last_counter,
            result=cbor2.dumps(_result.dump_python(result)),
            create_time=result.signature.sign_time,
        )
    )
    rows = [
        {"sha256": verdict.input_sha256[name], "document": document} for name, document in input_documents(case).items()
    ]
    insert = (postgresql if tx.dialect.name == "postgresql" else sqlite).insert(_input)
    tx.execute(insert.on_conflict_do_nothing(), rows)


def find_verdict(tx: Connection, name: ChildName) -> StoredVerdict | None:
    row = tx.execute(
        sa.select(verdict_table).where(verdict_table.c.tenant == name.tenant, verdict_table.c.id == name.id)
    ).first()
    if row is None:
        return None
    verdict = verdict_json.validate_json(row.verdict)
    parts = tuple(Part(part_name, data) for part_name, data in cbor2.loads(row.evidence))
    return StoredVerdict(
        verdict=verdict,
        evidence=Evidence(Format(verdict.format), parts),
        expectation=Expectation(row.challenge, row.key_spki, row.last_counter),
        result=None if row.result is None else _result.validate_python(cbor2.loads(row.result)),
        documents=_documents(tx, verdict),
    )


def _documents(tx: Connection, verdict: DeviceVerdict) -> dict[str, str]:
    wanted = {name: verdict.input_sha256[name] for name in ("anchors", "collateral", "policy")}
    rows = tx.execute(sa.select(_input).where(_input.c.sha256.in_(set(wanted.values())))).all()
    found = {row.sha256: row.document for row in rows}
    return {name: found[digest] for name, digest in wanted.items() if digest in found}
