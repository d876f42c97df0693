/**
 * The Merkle tree of RFC 6962 section 2.1 with SHA-256: hashes and the verification of proofs.
 *
 * Hashes are 32 bytes, from WebCrypto (about 150,000 a second in Chromium, so one tile takes 2 ms). Proofs are lists of
 * hashes, lowest first (RFC 9162 sections 2.1.3 and 2.1.4). Sizes and indices are bigint: a log may pass 2^53.
 */

import { type Bytes, HASH_SIZE, bytesEqual, concat } from "./canonical.js";
import { ConsistencyError, InclusionError, type ProofError } from "./errors.js";

/** `readHash(level, index)`: hash of the complete subtree over leaves [index * 2^level, (index + 1) * 2^level). */
export type ReadHash = (level: number, index: bigint) => Promise<Bytes>;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

export function emptyRoot(): Promise<Bytes> {
  return sha256(new Uint8Array(0));
}

export function leafHash(entry: Uint8Array): Promise<Bytes> {
  return sha256(concat(LEAF, entry));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Bytes> {
  return sha256(concat(NODE, left, right));
}

/** The parents of consecutive pairs of sibling hashes; a last odd one has no parent yet and is left out. */
export function pairUp(hashes: readonly Bytes[]): Promise<Bytes[]> {
  const parents = [];
  for (let at = 0; at + 1 < hashes.length; at += 2) {
    parents.push(nodeHash(hashes[at] as Bytes, hashes[at + 1] as Bytes));
  }
  return Promise.all(parents);
}

/** Root of a tree from its maximal complete subtrees, largest first; no peak is the empty tree. */
export async function foldPeaks(peaks: readonly Bytes[]): Promise<Bytes> {
  let root = peaks.at(-1);
  if (root === undefined) return emptyRoot();
  for (const peak of peaks.slice(0, -1).reverse()) root = await nodeHash(peak, root);
  return root;
}

/** One step up: `computed` is the hash so far, `sibling` comes from the proof, `parent` is their node hash. */
export interface PathStep {
  readonly computed: Bytes;
  readonly sibling: Bytes;
  readonly siblingIsLeft: boolean;
  readonly parent: Bytes;
}

/**
 * Every hash on the way from a leaf hash to the root that a proof leads to. Throws InclusionError when the proof cannot
 * be one of this index and size; whether it leads to the signed root is for the caller (or `verifyInclusion`).
 *
 * RFC 9162 section 2.1.3.2, with its loop cut in two: up to the level where the path meets the tree's right edge the
 * sibling's side follows the bits of `index`; above it every sibling is on the left.
 */
export async function inclusionSteps(
  index: bigint,
  size: bigint,
  leaf: Bytes,
  proof: readonly Bytes[],
): Promise<PathStep[]> {
  if (index < 0n || index >= size) throw new InclusionError(`index ${index} is not in a tree of size ${size}`);
  checkHashes([leaf, ...proof], InclusionError);
  const inner = bitLength(index ^ (size - 1n));
  const expected = inner + bitCount(index >> BigInt(inner));
  if (proof.length !== expected) {
    throw new InclusionError(`a proof of index ${index} in size ${size} has ${expected} hashes, not ${proof.length}`);
  }
  const steps: PathStep[] = [];
  let computed = leaf;
  for (const [level, sibling] of proof.entries()) {
    const siblingIsLeft = level >= inner || ((index >> BigInt(level)) & 1n) === 1n;
    const parent = await (siblingIsLeft ? nodeHash(sibling, computed) : nodeHash(computed, sibling));
    steps.push({ computed, sibling, siblingIsLeft, parent });
    computed = parent;
  }
  return steps;
}

/** Throws InclusionError unless `proof` shows that `leaf` (a leaf hash) is at `index` in the tree of `size`. */
export async function verifyInclusion(
  index: bigint,
  size: bigint,
  leaf: Bytes,
  proof: readonly Bytes[],
  root: Bytes,
): Promise<PathStep[]> {
  const steps = await inclusionSteps(index, size, leaf, proof);
  if (!bytesEqual(steps.at(-1)?.parent ?? leaf, root)) {
    throw new InclusionError(`the proof of index ${index} does not lead to the root of size ${size}`);
  }
  return steps;
}

/**
 * Throws ConsistencyError unless `proof` shows that the old tree is a prefix of the new one (RFC 9162, 2.1.4.2).
 *
 * The empty tree is a prefix of every tree, with an empty proof (tlog-witness), if its root is the empty root.
 */
export async function verifyConsistency(
  oldSize: bigint,
  oldRoot: Bytes,
  newSize: bigint,
  newRoot: Bytes,
  proof: readonly Bytes[],
): Promise<void> {
  if (oldSize < 0n || oldSize > newSize) {
    throw new ConsistencyError(`size ${oldSize} is not a prefix of size ${newSize}`);
  }
  if (oldSize === 0n && !bytesEqual(oldRoot, await emptyRoot())) {
    throw new ConsistencyError("a tree of size 0 has the root SHA-256 of the empty string");
  }
  if (oldSize === newSize && !bytesEqual(oldRoot, newRoot)) throw new ConsistencyError(`two roots for size ${oldSize}`);
  if ((oldSize === 0n || oldSize === newSize) && proof.length > 0) {
    throw new ConsistencyError("equal trees and empty trees need no proof");
  }
  if (oldSize === newSize) return;
  checkHashes([oldRoot, newRoot, ...proof], ConsistencyError);
  if (oldSize === 0n) return;
  const roots = await consistencyRoots(oldSize, oldRoot, newSize, proof);
  if (!bytesEqual(roots.new, newRoot)) {
    throw new ConsistencyError(`the proof does not lead to the new root of size ${newSize}`);
  }
  if (!bytesEqual(roots.old, oldRoot)) {
    throw new ConsistencyError(`the proof does not lead to the old root of size ${oldSize}`);
  }
}

/** The two roots that a proof leads to: RFC 9162 section 2.1.4.2, steps 2 to 6, for 0 < oldSize < newSize. */
export async function consistencyRoots(
  oldSize: bigint,
  oldRoot: Bytes,
  newSize: bigint,
  proof: readonly Bytes[],
): Promise<{ old: Bytes; new: Bytes }> {
  // A complete old tree is its own first hash.
  const [first, ...path] = bitCount(oldSize) === 1 ? [oldRoot, ...proof] : proof;
  if (first === undefined) throw new ConsistencyError("the proof is empty");
  let oldNode = oldSize - 1n;
  let lastNode = newSize - 1n;
  const up = (): void => {
    oldNode >>= 1n;
    lastNode >>= 1n;
  };
  while (oldNode & 1n) up();
  let [older, newer] = [first, first];
  for (const sibling of path) {
    if (lastNode === 0n) throw new ConsistencyError("the proof is too long");
    if (oldNode & 1n || oldNode === lastNode) {
      [older, newer] = [await nodeHash(sibling, older), await nodeHash(sibling, newer)];
      while (oldNode && !(oldNode & 1n)) up();
    } else {
      newer = await nodeHash(newer, sibling);
    }
    up();
  }
  if (lastNode !== 0n) throw new ConsistencyError("the proof is too short");
  return { old: older, new: newer };
}

export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

export function bitCount(value: bigint): number {
  return value.toString(2).replaceAll("0", "").length;
}

function checkHashes(hashes: readonly Bytes[], Refused: new (message: string) => ProofError): void {
  for (const hash of hashes) {
    if (hash.length !== HASH_SIZE) throw new Refused(`a hash has ${hash.length} bytes, not ${HASH_SIZE}`);
  }
}
