/** Trust in a note: which of the given keys signed it. */
import { encodeHex } from "./canonical.js";
import { parseCheckpoint } from "./checkpoint.js";
import { verifySignature } from "./cosignature.js";
import { webCrypto } from "./engine.js";
import { BadSignature, FormatError, NotChecked, NotSigned, OriginMismatch } from "./errors.js";
import { parseNote } from "./note.js";
import { KeyType, formatVkey, hexType } from "./vkey.js";
/** Looks at every signature line and throws for none of them. For people who want to see; `verifyNote` decides. */
export async function checkLines(note, vkeys, engine = webCrypto) {
    const keys = keysByRef(vkeys);
    return Promise.all(note.signatures.map(async (line) => {
        const key = keys.get(ref(line));
        if (key === undefined)
            return { line, status: "unknown" };
        try {
            const statement = await verifySignature(key, note.text, line.blob, engine);
            if (statement === null)
                return { line, status: "unchecked", key };
            return { line, status: "verified", key, timestamp: statement.timestamp };
        }
        catch (error) {
            if (!(error instanceof BadSignature))
                throw error;
            return { line, status: "failed", key, problem: error.message };
        }
    }));
}
/**
 * Parses and verifies a note by the rules of signed-note, "Signatures".
 *
 * Lines of unknown keys are ignored. A bad signature of a known key throws BadSignature; no verified signature throws
 * NotSigned, or NotChecked if there is one that this engine cannot check; bad bytes, FormatError.
 */
export async function verifyNote(data, vkeys, engine = webCrypto) {
    const note = parseNote(data);
    const signers = new Map();
    const unchecked = new Map();
    for (const result of await checkLines(note, vkeys, engine)) {
        if (result.status === "failed")
            throw new BadSignature(result.problem);
        if (result.status === "unchecked")
            unchecked.set(ref(result.key), result.key);
        if (result.status === "verified") {
            const known = signers.get(ref(result.key));
            // A key that signed twice counts once, with its newest time.
            if (known === undefined || (result.timestamp ?? 0n) > (known.timestamp ?? 0n)) {
                signers.set(ref(result.key), { key: result.key, timestamp: result.timestamp });
            }
        }
    }
    if (signers.size === 0) {
        const Refused = unchecked.size > 0 ? NotChecked : NotSigned;
        throw new Refused(`no given key is known to have signed this note: ${keyList(vkeys)}`);
    }
    return { text: note.text, signers: [...signers.values()], unchecked: [...unchecked.values()] };
}
/**
 * Parses a signed checkpoint and verifies it with the keys of the log and, optionally, of witnesses.
 *
 * A key is the log's if its name is the checkpoint's origin (tlog-checkpoint, "Signatures"), so a witness key can never
 * stand in for the log unless `require` is "any". With `origin`, any other throws OriginMismatch.
 */
export async function openCheckpoint(data, vkeys, { origin, require = "log", engine = webCrypto } = {}) {
    const { text, signers, unchecked } = await verifyNote(data, vkeys, engine);
    let checkpoint = await parseCheckpoint(text);
    if (origin !== undefined && checkpoint.origin !== origin) {
        throw new OriginMismatch(`this is a checkpoint of ${checkpoint.origin}, not of ${origin}`);
    }
    if (require !== "any" && !signers.some(({ key }) => key.name === checkpoint.origin)) {
        const Refused = unchecked.some((key) => key.name === checkpoint.origin) ? NotChecked : NotSigned;
        throw new Refused(`no given key of the log ${checkpoint.origin} is known to have signed: ${keyList(vkeys)}`);
    }
    if (require === "all")
        checkAll(signers, vkeys);
    const isCovered = signers.some(({ key }) => key.name === checkpoint.origin && key.type === KeyType.ED25519);
    if (!isCovered)
        checkpoint = { ...checkpoint, extensions: [] };
    return { checkpoint, signers, unchecked };
}
function checkAll(signers, vkeys) {
    const signed = new Set(signers.map((signer) => ref(signer.key)));
    const missing = vkeys.filter((key) => !signed.has(ref(key)));
    if (missing.length > 0)
        throw new NotSigned(`a required signature is missing: ${keyList(missing)}`);
}
/** Key name and key ID: together they name a key in a note. */
function ref(key) {
    return `${key.name}+${encodeHex(key.keyId)}`;
}
function keysByRef(vkeys) {
    const keys = new Map();
    for (const key of vkeys) {
        const known = keys.get(ref(key)) ?? key;
        if (formatVkey(known) !== formatVkey(key)) {
            throw new FormatError(`two given keys share the name and key ID ${ref(key)}`);
        }
        keys.set(ref(key), key);
    }
    return keys;
}
function keyList(vkeys) {
    return vkeys.map((key) => `${key.name} (type ${hexType(key.type)})`).join(", ") || "no key was given";
}
