/**
 * What each key type signs, and how its signature travels in a note line (signed-note, tlog-cosignature).
 *
 * type  who                    signed message                                         blob in the line
 * 0x01  log                    note text                                              64 bytes
 * 0x04  witness (Ed25519)      `cosignature/v1`, `time <t>`, note text                u64 time, 64 bytes
 * 0x06  log or witness         binary, see `subtreeMessage`                           u64 time, 2420 bytes
 *       (ML-DSA-44)
 */
import { HASH_SIZE, MAX_SIZE, concat, encodeText, encodeU64 } from "./canonical.js";
import { parseCheckpoint } from "./checkpoint.js";
import { BadSignature, FormatError } from "./errors.js";
import { KeyType, MAX_COSIGNER_NAME_BYTES, hexType } from "./vkey.js";
const TIMESTAMP_SIZE = 8;
const RULES = new Map([
    [KeyType.ED25519, { algorithm: "Ed25519", signatureSize: 64 }],
    [KeyType.ED25519_COSIGNATURE, { algorithm: "Ed25519", signatureSize: 64 }],
    [KeyType.ML_DSA_44, { algorithm: "ML-DSA-44", signatureSize: 2420 }],
]);
/**
 * The message of type 0x06 over leaves [start, end); a checkpoint has start 0 and end = size.
 *
 * `timestamp` is POSIX seconds; 0 makes no statement about time, and is the only value when start is not 0.
 * Names are 1 to 255 bytes of UTF-8. Throws FormatError.
 */
export function subtreeMessage(cosigner, timestamp, subtree) {
    const { origin, start, end, root } = subtree;
    checkTimestamp(timestamp);
    if (start < 0n || start > end || end > MAX_SIZE || (start === end && end !== 0n)) {
        throw new FormatError(`[${start}, ${end}) is not a range of leaves`);
    }
    if (start && timestamp)
        throw new FormatError("a subtree that does not start at 0 is signed without a time");
    if (root.length !== HASH_SIZE)
        throw new FormatError(`a root is ${HASH_SIZE} bytes`);
    return concat(encodeText("subtree/v1\n\0"), short(cosigner), encodeU64(timestamp), short(origin), encodeU64(start), encodeU64(end), root);
}
/**
 * Verifies one line's blob over a note text. Answers null when nothing was checked: a type without a rule here, or an
 * algorithm that the engine does not have. Throws BadSignature, also for a text that is no checkpoint where one is due.
 */
export async function verifySignature(key, text, blob, engine) {
    const parts = splitBlob(key, blob);
    if (parts === null)
        return null;
    let message;
    try {
        message = await messageOf(key, text, parts.timestamp);
    }
    catch (error) {
        if (!(error instanceof FormatError))
            throw error;
        throw new BadSignature(`${key.name} cannot have signed this text: ${error.message}`);
    }
    return (await holds(key, message, parts.signature, engine)) ? { timestamp: parts.timestamp } : null;
}
/** As `verifySignature`, for a type 0x06 blob over leaves [start, end). Throws BadSignature. */
export async function verifySubtree(key, blob, subtree, engine) {
    const parts = key.type === KeyType.ML_DSA_44 ? splitBlob(key, blob) : null;
    if (parts === null)
        throw new BadSignature(`${key.name} is not an ML-DSA-44 key: it cannot sign subtrees`);
    let message;
    try {
        message = subtreeMessage(key.name, parts.timestamp ?? 0n, subtree);
    }
    catch (error) {
        if (!(error instanceof FormatError))
            throw error;
        throw new BadSignature(`${key.name} cannot have signed this subtree: ${error.message}`);
    }
    return (await holds(key, message, parts.signature, engine)) ? { timestamp: parts.timestamp } : null;
}
async function messageOf(key, text, timestamp) {
    if (key.type === KeyType.ED25519)
        return encodeText(text);
    const checkpoint = await parseCheckpoint(text); // tlog-cosignature: a cosignature is applied to a checkpoint
    const time = checkTimestamp(timestamp);
    if (key.type === KeyType.ED25519_COSIGNATURE)
        return encodeText(`cosignature/v1\ntime ${time}\n${text}`);
    const { origin, size, root } = checkpoint;
    return subtreeMessage(key.name, time, { origin, start: 0n, end: size, root });
}
function splitBlob(key, blob) {
    const rule = RULES.get(key.type);
    if (rule === undefined)
        return null;
    const timed = key.type === KeyType.ED25519 ? 0 : TIMESTAMP_SIZE;
    if (blob.length !== timed + rule.signatureSize) {
        throw new BadSignature(`a signature of ${key.name} has ${blob.length} bytes, its type ${hexType(key.type)} has ${timed + rule.signatureSize}`);
    }
    const timestamp = timed ? new DataView(blob.buffer, blob.byteOffset).getBigUint64(0) : null;
    return { timestamp, signature: blob.slice(timed) };
}
async function holds(key, message, signature, engine) {
    const rule = RULES.get(key.type);
    const answer = rule ? await engine(rule.algorithm, key.publicKey, message, signature) : null;
    if (answer === false)
        throw new BadSignature(`a signature of ${key.name} does not verify`);
    return answer === true;
}
function checkTimestamp(timestamp) {
    if (timestamp === null || timestamp < 0n || timestamp > MAX_SIZE) {
        throw new FormatError("the timestamp of a cosignature is missing or not below 2^63");
    }
    return timestamp;
}
function short(name) {
    const data = encodeText(name);
    if (data.length < 1 || data.length > MAX_COSIGNER_NAME_BYTES) {
        throw new FormatError(`a cosigner name and an origin are 1 to ${MAX_COSIGNER_NAME_BYTES} bytes`);
    }
    return concat(Uint8Array.of(data.length), data);
}
