"""TPM evidence that must be refused, one variant for each way to cheat, with the reason that comes first."""

from collections.abc import Iterator
from datetime import datetime

from attestation.testing.tpm_bench import Bench
from attestation.testing.tpm_broken_keys import KEYS
from attestation.testing.tpm_broken_rules import RULES
from attestation.testing.tpm_broken_statements import STATEMENTS
from attestation.testing.variant import Variant
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker


def broken(now: datetime) -> Iterator[Variant]:
    bench = Bench(VirtualTpm.create(VirtualTpmMaker.create(now=now)), now)
    for name, (reason, make) in (STATEMENTS | KEYS | RULES).items():
        yield Variant(name, reason, make(bench))
