"""m of n approvals: somebody proposes an act, others sign that they agree, then it may be done once."""
