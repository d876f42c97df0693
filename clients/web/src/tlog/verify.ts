/** Trust in a note: which of the given keys signed it. */

import { encodeHex } from "./canonical.js";
import { type Checkpoint, parseCheckpoint } from "./checkpoint.js";
import { verifySignature } from "./cosignature.js";
import { type Engine, webCrypto } from "./engine.js";
import { BadSignature, FormatError, NotChecked, NotSigned, OriginMismatch } from "./errors.js";
import { type Note, type SignatureLine, parseNote } from "./note.js";
import { KeyType, type VerifierKey, formatVkey, hexType } from "./vkey.js";

/**
 * How many of the given keys must have signed a checkpoint.
 *
 * log: at least one key that is named like the checkpoint's origin. all: every given key, one of them the log's.
 * any: at least one given key, be it a witness; for mirrors, whose witness speaks for the log.
 */
export type Require = "log" | "all" | "any";

/** A given key whose signature verified. `timestamp` is POSIX seconds, null for type 0x01, 0 for "no statement". */
export interface Signer {
  readonly key: VerifierKey;
  readonly timestamp: bigint | null;
}

/** What became of one signature line. "unknown": no given key. "unchecked": a given key that cannot be checked here. */
export type LineResult =
  | { readonly line: SignatureLine; readonly status: "unknown" }
  | { readonly line: SignatureLine; readonly status: "unchecked"; readonly key: VerifierKey }
  | { readonly line: SignatureLine; readonly status: "failed"; readonly key: VerifierKey; readonly problem: string }
  | {
      readonly line: SignatureLine;
      readonly status: "verified";
      readonly key: VerifierKey;
      readonly timestamp: bigint | null;
    };

/**
 * A note signed by at least one given key. `signers` has each key once, in the order of the lines. `unchecked` are the
 * given keys with a line whose type or algorithm this engine does not know: nothing is said about them.
 */
export interface VerifiedNote {
  readonly text: string;
  readonly signers: readonly Signer[];
  readonly unchecked: readonly VerifierKey[];
}

/**
 * `checkpoint.extensions` is empty unless the log's own 0x01 signature verified: 0x06 does not cover these lines, and a
 * witness states nothing about them (tlog-cosignature).
 */
export interface VerifiedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly signers: readonly Signer[];
  readonly unchecked: readonly VerifierKey[];
}

export interface OpenOptions {
  readonly origin?: string;
  readonly require?: Require;
  readonly engine?: Engine;
}

/** Looks at every signature line and throws for none of them. For people who want to see; `verifyNote` decides. */
export async function checkLines(
  note: Note,
  vkeys: readonly VerifierKey[],
  engine: Engine = webCrypto,
): Promise<LineResult[]> {
  const keys = keysByRef(vkeys);
  return Promise.all(
    note.signatures.map(async (line): Promise<LineResult> => {
      const key = keys.get(ref(line));
      if (key === undefined) return { line, status: "unknown" };
      try {
        const statement = await verifySignature(key, note.text, line.blob, engine);
        if (statement === null) return { line, status: "unchecked", key };
        return { line, status: "verified", key, timestamp: statement.timestamp };
      } catch (error) {
        if (!(error instanceof BadSignature)) throw error;
        return { line, status: "failed", key, problem: error.message };
      }
    }),
  );
}

/**
 * Parses and verifies a note by the rules of signed-note, "Signatures".
 *
 * Lines of unknown keys are ignored. A bad signature of a known key throws BadSignature; no verified signature throws
 * NotSigned, or NotChecked if there is one that this engine cannot check; bad bytes, FormatError.
 */
export async function verifyNote(
  data: Uint8Array,
  vkeys: readonly VerifierKey[],
  engine: Engine = webCrypto,
): Promise<VerifiedNote> {
  const note = parseNote(data);
  const signers = new Map<string, Signer>();
  const unchecked = new Map<string, VerifierKey>();
  for (const result of await checkLines(note, vkeys, engine)) {
    if (result.status === "failed") throw new BadSignature(result.problem);
    if (result.status === "unchecked") unchecked.set(ref(result.key), result.key);
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
export async function openCheckpoint(
  data: Uint8Array,
  vkeys: readonly VerifierKey[],
  { origin, require = "log", engine = webCrypto }: OpenOptions = {},
): Promise<VerifiedCheckpoint> {
  const { text, signers, unchecked } = await verifyNote(data, vkeys, engine);
  let checkpoint = await parseCheckpoint(text);
  if (origin !== undefined && checkpoint.origin !== origin) {
    throw new OriginMismatch(`this is a checkpoint of ${checkpoint.origin}, not of ${origin}`);
  }
  if (require !== "any" && !signers.some(({ key }) => key.name === checkpoint.origin)) {
    const Refused = unchecked.some((key) => key.name === checkpoint.origin) ? NotChecked : NotSigned;
    throw new Refused(`no given key of the log ${checkpoint.origin} is known to have signed: ${keyList(vkeys)}`);
  }
  if (require === "all") checkAll(signers, vkeys);
  const isCovered = signers.some(({ key }) => key.name === checkpoint.origin && key.type === KeyType.ED25519);
  if (!isCovered) checkpoint = { ...checkpoint, extensions: [] };
  return { checkpoint, signers, unchecked };
}

function checkAll(signers: readonly Signer[], vkeys: readonly VerifierKey[]): void {
  const signed = new Set(signers.map((signer) => ref(signer.key)));
  const missing = vkeys.filter((key) => !signed.has(ref(key)));
  if (missing.length > 0) throw new NotSigned(`a required signature is missing: ${keyList(missing)}`);
}

/** Key name and key ID: together they name a key in a note. */
function ref(key: { readonly name: string; readonly keyId: Uint8Array }): string {
  return `${key.name}+${encodeHex(key.keyId)}`;
}

function keysByRef(vkeys: readonly VerifierKey[]): Map<string, VerifierKey> {
  const keys = new Map<string, VerifierKey>();
  for (const key of vkeys) {
    const known = keys.get(ref(key)) ?? key;
    if (formatVkey(known) !== formatVkey(key)) {
      throw new FormatError(`two given keys share the name and key ID ${ref(key)}`);
    }
    keys.set(ref(key), key);
  }
  return keys;
}

function keyList(vkeys: readonly VerifierKey[]): string {
  return vkeys.map((key) => `${key.name} (type ${hexType(key.type)})`).join(", ") || "no key was given";
}
