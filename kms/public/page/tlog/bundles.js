/** Entry bundles: up to 256 entries, each behind its length as a big-endian u16 (C2SP tlog-tiles, "Log entries"). */
import { FormatError } from "./errors.js";
import { TILE_WIDTH } from "./tiles.js";
export const MAX_ENTRY_BYTES = 0xffff;
export const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);
/** Reads exactly `width` entries and nothing behind them. Throws FormatError. */
export function parseBundle(data, width) {
    const entries = [];
    let at = 0;
    while (entries.length < width) {
        const start = at + 2;
        const end = start + (data[at] ?? 0) * 256 + (data[at + 1] ?? 0);
        if (start > data.length || end > data.length) {
            throw new FormatError(`a bundle ends inside entry ${entries.length} of ${width}`);
        }
        entries.push(data.slice(start, end));
        at = end;
    }
    if (at !== data.length) {
        throw new FormatError(`a bundle of ${width} entries has ${data.length - at} bytes behind them`);
    }
    return entries;
}
