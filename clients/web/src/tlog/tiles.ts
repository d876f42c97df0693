/**
 * Where a log's files are and how wide they are for a tree size (C2SP tlog-tiles).
 *
 * A tile holds up to 256 hashes of 32 bytes; an entry bundle holds up to 256 entries. Hash i of tile n at level l covers
 * leaves [(n * 256 + i) * 256^l, (n * 256 + i + 1) * 256^l). Only full tiles are hashed into the level above.
 */

import { MAX_SIZE } from "./canonical.js";
import { FormatError } from "./errors.js";

export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;
export const MAX_LEVEL = 63;
export const CHECKPOINT_PATH = "checkpoint";

/** One tile, or one entry bundle when `level` is "entries". `width` is 1 to 256, in hashes or entries. */
export interface Tile {
  readonly level: number | "entries";
  readonly index: bigint;
  readonly width: number;
}

/** The path below the log's prefix: index 1234067 is `x001/x234/067`, a width below 256 adds `.p/<width>`. */
export function tilePath(tile: Tile): string {
  const groups = tile.index.toString().padStart(Math.ceil(tile.index.toString().length / 3) * 3, "0").match(/.../g) ?? [];
  const index = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${tile.level}/${index}${tile.width < TILE_WIDTH ? `.p/${tile.width}` : ""}`;
}

/** The tile or bundle at this place, as wide as a tree of `size` makes it. Throws FormatError if it is empty. */
export function tileAt(level: number | "entries", index: bigint, size: bigint): Tile {
  if ((level !== "entries" && (level < 0 || level > MAX_LEVEL)) || index < 0n || size > MAX_SIZE) {
    throw new FormatError(`there is no tile ${index} at level ${level}`);
  }
  const hashes = size >> BigInt(TILE_HEIGHT * (level === "entries" ? 0 : level));
  const width = hashes - index * BigInt(TILE_WIDTH);
  if (width <= 0n) throw new FormatError(`a tree of size ${size} has no tile ${index} at level ${level}`);
  return { level, index, width: width < TILE_WIDTH ? Number(width) : TILE_WIDTH };
}
