/**
 * Hashes and entries of one tree size, read from a log's files.
 *
 * What a log serves is checked for its shape here and for nothing else: whoever uses these hashes verifies the proof
 * built from them against a signed root.
 */
import { MAX_ENTRY_BYTES, parseBundle } from "./bundles.js";
import { HASH_SIZE } from "./canonical.js";
import { FormatError, MissingResource, TamperedError } from "./errors.js";
import { pairUp } from "./merkle.js";
import { MAX_LEVEL, TILE_HEIGHT, TILE_WIDTH, tileAt, tilePath } from "./tiles.js";
/** The last tiles that were read (about 35 kB each). Tiles never change, so readers of all sizes can share it. */
export class TileCache {
    maxTiles;
    #pyramids = new Map();
    constructor(maxTiles = 256) {
        this.maxTiles = maxTiles;
    }
    /** What `make` answered for this path before, or now. A failure is not kept. */
    get(path, make) {
        const pyramid = this.#pyramids.get(path) ?? make();
        this.#pyramids.delete(path);
        this.#pyramids.set(path, pyramid);
        pyramid.catch(() => this.#pyramids.delete(path));
        const oldest = this.#pyramids.keys().next();
        if (this.#pyramids.size > this.maxTiles && !oldest.done)
            this.#pyramids.delete(oldest.value);
        return pyramid;
    }
}
/** Reads subtree hashes of a tree of `size` from its tiles. */
export class TileReader {
    fetch;
    size;
    cache;
    constructor(fetch, size, cache = new TileCache()) {
        this.fetch = fetch;
        this.size = size;
        this.cache = cache;
    }
    /**
     * A `ReadHash`. Throws FormatError if the tree has no such subtree, TamperedError for a tile of the wrong length, and
     * what `fetch` throws.
     */
    readHash = async (level, index) => {
        if (level < 0 || level > MAX_LEVEL || index < 0n || (index + 1n) << BigInt(level) > this.size) {
            throw new FormatError(`a tree of size ${this.size} has no complete subtree ${index} at level ${level}`);
        }
        const height = level % TILE_HEIGHT;
        const place = index << BigInt(height);
        const tile = tileAt((level - height) / TILE_HEIGHT, place / BigInt(TILE_WIDTH), this.size);
        const hash = (await this.#pyramid(tile))[height]?.[Number(place % BigInt(TILE_WIDTH)) >> height];
        if (hash === undefined)
            throw new FormatError(`tile ${tilePath(tile)} does not hold subtree ${index}`);
        return hash;
    };
    #pyramid(tile) {
        return this.cache.get(tilePath(tile), async () => {
            let row = await readTile(this.fetch, tile);
            const pyramid = [row];
            while (pyramid.length < TILE_HEIGHT) {
                row = await pairUp(row);
                pyramid.push(row);
            }
            return pyramid;
        });
    }
}
/** The entries of bundle `index` in a tree of `size`. Throws TamperedError for a malformed bundle. */
export async function readBundle(fetch, index, size) {
    const bundle = tileAt("entries", index, size);
    const { data, found } = await fetchOrFull(fetch, bundle, 2 + MAX_ENTRY_BYTES);
    try {
        return parseBundle(data, found.width).slice(0, bundle.width);
    }
    catch (error) {
        if (!(error instanceof FormatError))
            throw error;
        throw new TamperedError(tilePath(found), error.message);
    }
}
/** Entry `index` as served: a proof says if it is the log's. */
export async function readEntry(fetch, index, size) {
    if (index < 0n || index >= size)
        throw new FormatError(`a tree of size ${size} has no entry ${index}`);
    const entries = await readBundle(fetch, index / BigInt(TILE_WIDTH), size);
    return entries[Number(index % BigInt(TILE_WIDTH))];
}
async function readTile(fetch, tile) {
    const { data, found } = await fetchOrFull(fetch, tile, HASH_SIZE);
    if (data.length !== found.width * HASH_SIZE) {
        throw new TamperedError(tilePath(found), `has ${data.length} bytes, a tile of ${found.width} hashes has another length`);
    }
    return Array.from({ length: tile.width }, (_, at) => data.slice(at * HASH_SIZE, (at + 1) * HASH_SIZE));
}
async function fetchOrFull(fetch, tile, itemBytes) {
    try {
        return { data: await fetch(tilePath(tile), tile.width * itemBytes), found: tile };
    }
    catch (error) {
        if (!(error instanceof MissingResource) || tile.width === TILE_WIDTH)
            throw error;
        // tlog-tiles, "Partial Tiles": a log may delete a partial tile once the full one exists.
        const full = { ...tile, width: TILE_WIDTH };
        try {
            return { data: await fetch(tilePath(full), TILE_WIDTH * itemBytes), found: full };
        }
        catch (second) {
            throw second instanceof MissingResource ? error : second;
        }
    }
}
