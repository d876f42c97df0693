/** Building proofs from any source of complete-subtree hashes: tiles, a list. */
import { ConsistencyError, InclusionError } from "./errors.js";
import { bitCount, bitLength, emptyRoot, foldPeaks } from "./merkle.js";
/** Root of the tree of the first `size` leaves. */
export function rootAt(size, readHash) {
    return size ? rangeHash(0n, size, readHash) : emptyRoot();
}
/** The audit path of leaf `index` in the tree of `size` leaves, leaf's sibling first (RFC 6962 section 2.1.1). */
export async function inclusionProof(index, size, readHash) {
    if (index < 0n || index >= size)
        throw new InclusionError(`index ${index} is not in a tree of size ${size}`);
    const proof = [];
    let [start, end] = [0n, size];
    while (end - start > 1n) {
        const middle = start + split(end - start);
        if (index < middle) {
            proof.push(await rangeHash(middle, end, readHash));
            end = middle;
        }
        else {
            proof.push(await rangeHash(start, middle, readHash));
            start = middle;
        }
    }
    return proof.reverse();
}
/**
 * The proof that the tree of `oldSize` is a prefix of that of `newSize` (RFC 6962 section 2.1.2).
 *
 * Empty when the sizes are equal or `oldSize` is 0.
 */
export async function consistencyProof(oldSize, newSize, readHash) {
    if (oldSize < 0n || oldSize > newSize) {
        throw new ConsistencyError(`size ${oldSize} is not a prefix of size ${newSize}`);
    }
    if (oldSize === 0n || oldSize === newSize)
        return [];
    const proof = [];
    let [start, end] = [0n, newSize];
    while (end !== oldSize) {
        const middle = start + split(end - start);
        if (oldSize <= middle) {
            proof.push(await rangeHash(middle, end, readHash));
            end = middle;
        }
        else {
            proof.push(await rangeHash(start, middle, readHash));
            start = middle;
        }
    }
    // The verifier has the old root: it needs the last subtree only if that is not the whole old tree.
    if (start !== 0n)
        proof.push(await rangeHash(start, end, readHash));
    return proof.reverse();
}
/** The largest power of two below `width`, which is at least 2. */
function split(width) {
    return 1n << BigInt(bitLength(width - 1n) - 1);
}
/** Hash of the subtree over leaves [start, end), where `start` is a multiple of the subtree's full width. */
async function rangeHash(start, end, readHash) {
    const width = end - start;
    if (bitCount(width) === 1) {
        const level = bitLength(width) - 1;
        return readHash(level, start >> BigInt(level));
    }
    const peaks = [];
    let at = start;
    for (let level = bitLength(width) - 1; level >= 0; level--) {
        if ((width >> BigInt(level)) & 1n) {
            peaks.push(await readHash(level, at >> BigInt(level)));
            at += 1n << BigInt(level);
        }
    }
    return foldPeaks(peaks);
}
