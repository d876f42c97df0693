"""The transparency log. `service.TransparencyLog` is what other features know; the rest in rooms:

rounds      from queue and appends to places, intents, signatures, answers: the hot path
memory      what keeps a restored backup from signing: checks of the tree, and memories outside the database
witnesses   cosignatures
published   public files, their history, copies and upkeep
keys        the log's keys, their rotation, and logs that follow one another
appending   callers' own events
entries     what entries say, commitments, erasing, finding, streaming
receipts    COSE receipts
fsck        the database against itself and the public files
"""
