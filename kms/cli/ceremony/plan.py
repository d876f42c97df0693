"""The reviewed file of a key ceremony: who is there, which keys are made, who signs the transcript.

    title = "First keys of example.com"

    [[present]]                         # at least one
    name = "Alice Example"
    role = "key custodian"

    [[keys]]                            # 1 to 32
    id = "release"
    algorithm = "id-MLDSA65-ECDSA-P256-SHA512"   # default: what fits the purpose
    purpose = "sign"                    # sign, manifest or envelope
    labels = { team = "models" }
    rotation = { period_days = 90, publish_lead_days = 7, verify_tail_days = 365 }
    usage_limits = { per_second = 100, total = 1000000, not_after = 2028-01-01T00:00:00Z }
    destroy_wait_days = 30
    export_policy = "never"             # never or wrapped

    [transcript]
    signed_by = "release"               # one of these keys, or one that is there already: composite, purpose sign

An unknown setting is an error that names it.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from kms.cli.failure import CommandError, not_usable
from kms.cli.output import read_file
from kms.core.errors import ServiceError
from kms.core.names import ID_PATTERN
from kms.keys.algorithms import AlgorithmFamily, KeyAlgorithm, algorithm_titled
from kms.keys.model import KeyPurpose
from kms.keys.policies import ExportPolicy, KeySettings, RotationPolicy, UsageLimits
from kms.keys.purposes import check_algorithm, default_algorithm

CEREMONY_LABEL: Final = "ceremony"
"""Every key of a ceremony has it: SHA-256 of the reviewed file, in hex."""
_FILE_MAX: Final = 256 * 1024
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Id = Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Person(_Part):
    name: _Text
    role: _Text


class Rotation(_Part):
    period_days: int | None = None
    publish_lead_days: int = 0
    verify_tail_days: int | None = None


class Limits(_Part):
    per_second: int | None = None
    total: int | None = None
    not_after: AwareDatetime | None = None


class PlannedKey(_Part):
    id: _Id
    algorithm: str | None = None
    purpose: Literal["sign", "manifest", "envelope"]
    labels: dict[str, str] = Field(default_factory=dict, max_length=31)
    rotation: Rotation = Rotation()
    usage_limits: Limits = Limits()
    destroy_wait_days: int = 30
    export_policy: Literal["never", "wrapped"] = "never"

    def key_algorithm(self) -> KeyAlgorithm:
        """Raises ServiceError, KeyError."""
        purpose = KeyPurpose(self.purpose)
        found = default_algorithm(purpose) if self.algorithm is None else algorithm_titled(self.algorithm)
        check_algorithm(purpose, found)
        return found

    def settings(self) -> KeySettings:
        """By the server's own rules. Raises ServiceError."""
        rotation, limits = self.rotation, self.usage_limits
        return KeySettings(
            rotation=RotationPolicy(
                period=_days(rotation.period_days),
                publish_lead=timedelta(days=rotation.publish_lead_days),
                verify_tail=_days(rotation.verify_tail_days),
            ),
            usage_limits=UsageLimits(per_second=limits.per_second, total=limits.total, not_after=limits.not_after),
            destroy_wait=timedelta(days=self.destroy_wait_days),
            export_policy=ExportPolicy(self.export_policy),
        )


class Transcript(_Part):
    signed_by: _Id


class Plan(_Part):
    title: _Text
    present: tuple[Person, ...] = Field(min_length=1, max_length=64, strict=False)
    keys: tuple[PlannedKey, ...] = Field(min_length=1, max_length=32, strict=False)
    transcript: Transcript

    @property
    def signer(self) -> PlannedKey | None:
        """None: the transcript is signed by a key that is there already."""
        return next((key for key in self.keys if key.id == self.transcript.signed_by), None)


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    plan: Plan
    sha256: str
    """Of the file's bytes, hex: what reviewers compare."""


def read_plan(file: Path) -> ReviewedPlan:
    """Raises OSError, and CommandError with everything that is wrong with the file."""
    content = read_file(file, _FILE_MAX)
    try:
        plan = Plan.model_validate(tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(file, [f"it is not TOML: {error}"]) from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise _invalid(file, problems) from None
    if problems := _problems(plan):
        raise _invalid(file, problems)
    return ReviewedPlan(plan, hashlib.sha256(content).hexdigest())


def _problems(plan: Plan) -> list[str]:
    found = []
    ids = [key.id for key in plan.keys]
    found += [f"keys: {name} is planned twice" for name in sorted({name for name in ids if ids.count(name) > 1})]
    for key in plan.keys:
        try:
            key.settings()
            algorithm = key.key_algorithm()
        except ServiceError as error:
            found.append(f"keys.{key.id}: {error}")
            continue
        except KeyError:
            found.append(f"keys.{key.id}: there is no algorithm {key.algorithm}")
            continue
        if CEREMONY_LABEL in key.labels:
            found.append(f"keys.{key.id}: the label {CEREMONY_LABEL} is set by the ceremony")
        if key is plan.signer and (algorithm.family is not AlgorithmFamily.COMPOSITE or key.purpose != "sign"):
            found.append(f"transcript.signed_by: {key.id} must be a composite key of purpose sign")
    return found


def _invalid(file: Path, problems: list[str]) -> CommandError:
    listed = "\n  ".join(problems)
    return not_usable("CEREMONY_PLAN_INVALID", f"{file} is not a plan that can be carried out:\n  {listed}")


def _days(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(days=count)
