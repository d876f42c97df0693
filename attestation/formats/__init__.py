"""One file per format (with its parsers beside it). The list of formats is in `attestation.verify`."""
