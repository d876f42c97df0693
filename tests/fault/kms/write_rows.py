"""The rows: every act of the service that writes to its database."""

from typing import Final

from fault.kms import (
    rows_of_access,
    rows_of_appending,
    rows_of_attestation,
    rows_of_audit,
    rows_of_channels,
    rows_of_consent,
    rows_of_entries,
    rows_of_envelopes,
    rows_of_events,
    rows_of_keys,
    rows_of_log_keys,
    rows_of_releases,
    rows_of_removal,
    rows_of_ssf,
    rows_of_status,
    rows_of_tenants,
    rows_of_the_rest,
)
from fault.kms.write_table import Row

ROWS: Final[dict[str, Row]] = {
    **rows_of_access.ROWS,
    **rows_of_appending.ROWS,
    **rows_of_attestation.ROWS,
    **rows_of_audit.ROWS,
    **rows_of_channels.ROWS,
    **rows_of_consent.ROWS,
    **rows_of_entries.ROWS,
    **rows_of_envelopes.ROWS,
    **rows_of_events.ROWS,
    **rows_of_keys.ROWS,
    **rows_of_log_keys.ROWS,
    **rows_of_releases.ROWS,
    **rows_of_removal.ROWS,
    **rows_of_ssf.ROWS,
    **rows_of_status.ROWS,
    **rows_of_tenants.ROWS,
    **rows_of_the_rest.ROWS,
}
"""By name. A function that writes and is reached by none of them fails test_write_table."""
