/** Following a log: does what it shows now begin with what it showed before? */

import { bytesEqual, encodeHex } from "./canonical.js";
import type { Checkpoint } from "./checkpoint.js";
import { ForkError, OriginMismatch, RollbackError, TamperedError } from "./errors.js";
import { consistencyRoots } from "./merkle.js";
import { consistencyProof, rootAt } from "./prove.js";
import type { TileReader } from "./reader.js";

/**
 * Proves from the tiles of `current` that it extends `previous`. Both must have been opened, that is, be signed.
 *
 * Throws RollbackError and ForkError for two checkpoints that cannot both be true, TamperedError when the tiles do not
 * lead to the current root, OriginMismatch for another log, and what reading tiles throws.
 */
export async function proveExtends(previous: Checkpoint, current: Checkpoint, tiles: TileReader): Promise<void> {
  if (previous.origin !== current.origin) {
    throw new OriginMismatch(`the earlier checkpoint is of ${previous.origin}, this one of ${current.origin}`);
  }
  if (current.size < previous.size) {
    throw new RollbackError(`the log shows size ${current.size}, it has shown size ${previous.size} before`);
  }
  if (current.size === previous.size) {
    if (bytesEqual(previous.root, current.root)) return;
    throw new ForkError(
      `two signed roots for size ${current.size}: ${encodeHex(previous.root)} before, ${encodeHex(current.root)} now`,
    );
  }
  if (previous.size === 0n) return;
  const published = await rootAt(previous.size, tiles.readHash);
  const proof = await consistencyProof(previous.size, current.size, tiles.readHash);
  const roots = await consistencyRoots(previous.size, published, current.size, proof);
  if (!bytesEqual(roots.new, current.root) || !bytesEqual(roots.old, published)) {
    throw new TamperedError("tile", `the published tiles do not lead to the signed root of size ${current.size}`);
  }
  // The tiles were just found to be the tree of the current root, so it is the earlier root that is not in it.
  if (!bytesEqual(published, previous.root)) {
    throw new ForkError(
      `the log of size ${current.size} does not begin with the tree of size ${previous.size} it signed before`,
    );
  }
}
