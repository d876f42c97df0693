"""Folders of evidence with known answers: `<vendor>/expected.json` and the files that its rows name.

Each vendor's loader turns a row into cases; what the row expects is read in attestation.samples.expected and never
reaches a loader. Only the command `hallmark attest verify-vectors` and tests use this package.
"""
