"""Verify a C2SP transparency log with nothing but its public files and its verifier keys.

Depends on the standard library and `cryptography`, and for COSE receipts on `cbor2`. Holds no key, knows no service.

    from hallmark_tlog.audit import audit
    from hallmark_tlog.fetch import folder_fetcher
    from hallmark_tlog.vkey import parse_vkey

    report = audit(folder_fetcher("public/log"), [parse_vkey(line)], origin="log.example/hallmark")

Where things are
- the tree: merkle (hashes, verification), prove (building proofs), compact (a growing tree), subtree (ranges of leaves)
- what is signed: note, vkey, checkpoint, cosignature (what each key type signs), verify (whose signatures hold)
- a log's files: tiles, bundles, reader, fetch (folder and HTTP), ahead (many files at once), locate (entries, proofs)
- an auditor's work: audit (all of it), rebuild (the tree), audit_state (to go on later), acceptance (keys or policy),
  consistency, monitor (following, comparing mirrors), lag, fork_evidence, evidence_pack with pack_readme (a court's)
- proofs to keep: proof (tlog-proof), cose and cose_receipt (RFC 9942), ccf_receipt (those of CCF ledgers)
- witnesses: policy (tlog-policy), by_policy (checkpoints and proofs judged by one), witness (asking them),
  witness_server (being one), witness_http (one on a socket, for tests)
- errors: all of them, as one tree
"""
