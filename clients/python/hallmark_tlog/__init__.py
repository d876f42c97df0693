"""Verify a C2SP transparency log with nothing but its public files and its verifier keys.

Depends on the standard library and `cryptography` only; holds no key and knows no service.

    from hallmark_tlog.audit import audit
    from hallmark_tlog.fetch import folder_fetcher
    from hallmark_tlog.vkey import parse_vkey

    report = audit(folder_fetcher("public/log"), [parse_vkey(line)], origin="log.example/hallmark")

Where things are: merkle (hashes, verification), compact (a growing tree), prove (building proofs), note, vkey,
checkpoint, cosignature (what each key type signs), verify (whose signatures hold), tiles, bundles, reader (a log's
files), fetch (folder and HTTP), proof (tlog-proof), audit (all of it), errors.
"""
