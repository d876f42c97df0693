/** Checkpoints: the text of a note that states a log's size and root (C2SP tlog-checkpoint). */

import { type Bytes, bytesEqual, checkCharacters, decodeDecimal, decodeHash } from "./canonical.js";
import { FormatError } from "./errors.js";
import { emptyRoot } from "./merkle.js";

/**
 * What a log states about itself. `root` is 32 bytes; size 0 has the root of the empty tree.
 *
 * `extensions` are opaque non-empty lines. ML-DSA-44 signatures do not cover them: a log should have none.
 */
export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Bytes;
  readonly extensions: readonly string[];
}

/** Parses a note's text. It is not to be trusted before `openCheckpoint`. Throws FormatError. */
export async function parseCheckpoint(text: string): Promise<Checkpoint> {
  if (!text.endsWith("\n")) throw new FormatError("a checkpoint does not end in a newline");
  const [origin, sizeLine, rootLine, ...extensions] = text.slice(0, -1).split("\n");
  if (origin === undefined || sizeLine === undefined || rootLine === undefined) {
    throw new FormatError("a checkpoint has at least three lines: origin, size, root");
  }
  for (const line of [origin, ...extensions]) {
    if (!line) throw new FormatError("the origin and the extension lines of a checkpoint are non-empty lines");
    checkCharacters(line, "a checkpoint");
  }
  const size = decodeDecimal(sizeLine, "the size of a checkpoint");
  const root = decodeHash(rootLine, "the root of a checkpoint");
  if (size === 0n && !bytesEqual(root, await emptyRoot())) {
    throw new FormatError("a checkpoint of size 0 has the root SHA-256 of the empty string");
  }
  return { origin, size, root, extensions };
}
