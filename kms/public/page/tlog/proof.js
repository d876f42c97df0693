/** tlog-proof v1: one file that shows an entry is in a log, to be verified offline (C2SP tlog-proof). */
import { HASH_SIZE, MAX_SIZE, concat, decodeBase64, decodeDecimal, decodeHash, encodeBase64, encodeText, } from "./canonical.js";
import { FormatError } from "./errors.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { MAX_NOTE_BYTES } from "./note.js";
import { openCheckpoint } from "./verify.js";
export const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
export const MAX_PATH_HASHES = 63;
export const MAX_EXTRA_BYTES = 65_536;
export const MAX_PROOF_BYTES = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES;
const MAX_HEAD_LINES = 3 + MAX_PATH_HASHES;
/** The file, by convention named `*.tlog-proof`. Throws FormatError for what no such file can hold. */
export function formatProof(proof) {
    checkProof(proof);
    const extra = proof.extra.length > 0 ? [`extra ${encodeBase64(proof.extra)}`] : [];
    const lines = [PROOF_HEADER, ...extra, `index ${proof.index}`, ...proof.path.map(encodeBase64), ""];
    return concat(encodeText(lines.map((line) => `${line}\n`).join("")), proof.checkpoint);
}
/** Reads the file's syntax; the checkpoint stays unread. Throws FormatError. */
export function parseProof(data) {
    if (data.length > MAX_PROOF_BYTES)
        throw new FormatError(`a proof is larger than ${MAX_PROOF_BYTES} bytes`);
    const divider = data.findIndex((byte, at) => byte === 0x0a && data[at + 1] === 0x0a);
    if (divider < 0)
        throw new FormatError("a proof has no empty line before its checkpoint");
    const head = data.subarray(0, divider);
    if (head.some((byte) => byte > 0x7f))
        throw new FormatError("the lines of a proof are not ASCII");
    const [header, ...lines] = new TextDecoder().decode(head).split("\n");
    if (lines.length >= MAX_HEAD_LINES)
        throw new FormatError("a proof has too many lines");
    if (header !== PROOF_HEADER)
        throw new FormatError(`a proof begins with the line ${PROOF_HEADER}`);
    let extra = new Uint8Array(0);
    if (lines[0]?.startsWith("extra ")) {
        extra = decodeBase64(lines.shift().slice("extra ".length), "the extra line");
        if (extra.length === 0)
            throw new FormatError("without extra data a proof has no extra line");
    }
    const [indexLine, ...hashes] = lines;
    if (!indexLine?.startsWith("index "))
        throw new FormatError("a proof has no index line where it belongs");
    const proof = {
        index: decodeDecimal(indexLine.slice("index ".length), "the index of a proof"),
        path: hashes.map((line) => decodeHash(line, "a hash of a proof")),
        checkpoint: data.slice(divider + 2),
        extra,
    };
    checkProof(proof);
    return proof;
}
/**
 * Verifies that `entry` (the bytes that were logged) is in the log that `vkeys` belong to.
 *
 * `options` are those of `openCheckpoint`. Throws FormatError, SignatureError, OriginMismatch or InclusionError.
 */
export async function verifyProof(proof, entry, vkeys, options = {}) {
    const { index, path, checkpoint: note } = proof instanceof Uint8Array ? parseProof(proof) : proof;
    const checkpoint = await openCheckpoint(note, vkeys, options);
    const leaf = await leafHash(entry);
    const steps = await verifyInclusion(index, checkpoint.checkpoint.size, leaf, path, checkpoint.checkpoint.root);
    return { entry, index, leaf, steps, checkpoint };
}
function checkProof({ index, path, checkpoint, extra }) {
    if (index < 0n || index > MAX_SIZE || path.length > MAX_PATH_HASHES) {
        throw new FormatError(`a proof has an index below 2^63 and at most ${MAX_PATH_HASHES} hashes`);
    }
    if (path.some((hash) => hash.length !== HASH_SIZE))
        throw new FormatError(`hashes of a proof are ${HASH_SIZE} bytes`);
    if (checkpoint.length < 1 || checkpoint.length > MAX_NOTE_BYTES || extra.length > MAX_EXTRA_BYTES) {
        throw new FormatError("a proof has a checkpoint and a bounded extra line");
    }
}
