"""Keys in tokens. Knows nothing of the service.

provider.py          the port: what a key store does, and its contract
material.py          what is known of a key outside the token; the service stores it
errors.py            one error tree
pkcs11/              the port over PKCS#11 tokens, in processes of their own
testing/             the port in memory, for tests
engine.py, engines/  post-quantum engines; engine_selection.py decides which signs and which verifies
signing.py           a composite signature and its check before release
sealing.py           what ties a sealed seed to its key
"""
