/**
 * Verifier keys (signed-note, "Verifier keys").
 *
 * One line: `<name>+<key ID, 8 hex digits>+<base64 of the type byte and the public key>`.
 */

import {
  type Bytes,
  checkKeyName,
  concat,
  decodeBase64,
  encodeBase64,
  encodeHex,
  encodeText,
} from "./canonical.js";
import { FormatError, KeyIdMismatch } from "./errors.js";
import { sha256 } from "./merkle.js";

export const MAX_VKEY_CHARACTERS = 16_384;
/** tlog-cosignature: the name is behind a length byte in what an ML-DSA-44 key signs. */
export const MAX_COSIGNER_NAME_BYTES = 255;

/** Signature types of the signed-note registry that have a rule of their own here. */
export const KeyType = {
  ED25519: 0x01,
  /** Known for its key ID only; signatures are not verified. */
  ECDSA: 0x02,
  ED25519_COSIGNATURE: 0x04,
  /** Known for its key ID only; signatures are not verified. */
  RFC6962_TREE_HEAD: 0x05,
  ML_DSA_44: 0x06,
} as const;

const PUBLIC_KEY_SIZES = new Map<number, number>([
  [KeyType.ED25519, 32],
  [KeyType.ED25519_COSIGNATURE, 32],
  [KeyType.ML_DSA_44, 1312],
]);

/**
 * `type` is the signature type byte: a KeyType, or any other value, whose signatures nobody here can verify.
 * `publicKey` is raw for Ed25519 (32 bytes) and ML-DSA-44 (1312 bytes), SPKI DER for 0x02 and 0x05.
 * `keyId` is 4 bytes: it identifies the key in a note together with its name; it is not a strong hash.
 */
export interface VerifierKey {
  readonly name: string;
  readonly type: number;
  readonly publicKey: Bytes;
  readonly keyId: Bytes;
}

/** Throws FormatError. */
export async function makeVerifierKey(name: string, type: number, publicKey: Bytes): Promise<VerifierKey> {
  checkKeyName(name);
  if (!Number.isInteger(type) || type < 0 || type > 0xff) {
    throw new FormatError(`signature type ${type} is not a byte`);
  }
  if (type === KeyType.ML_DSA_44 && encodeText(name).length > MAX_COSIGNER_NAME_BYTES) {
    throw new FormatError(`the name of an ML-DSA-44 key is at most ${MAX_COSIGNER_NAME_BYTES} bytes`);
  }
  const expected = PUBLIC_KEY_SIZES.get(type) ?? publicKey.length;
  if (publicKey.length === 0 || publicKey.length !== expected) {
    throw new FormatError(`a public key of type ${hexType(type)} cannot have ${publicKey.length} bytes`);
  }
  const keyId = (await keyIdInput(name, type, publicKey).then(sha256)).slice(0, 4);
  return { name, type, publicKey, keyId };
}

/** Parses one vkey, without newline. Throws FormatError, and KeyIdMismatch when the key ID is not the key's own. */
export async function parseVkey(text: string): Promise<VerifierKey> {
  if (text.length > MAX_VKEY_CHARACTERS) {
    throw new FormatError(`a vkey is longer than ${MAX_VKEY_CHARACTERS} characters`);
  }
  const [name, keyId, ...rest] = text.split("+");
  if (name === undefined || keyId === undefined || rest.length === 0) {
    throw new FormatError("a vkey has three parts joined by plus signs: name, key ID, key");
  }
  if (!/^[0-9a-f]{8}$/.test(keyId)) throw new FormatError("the key ID of a vkey is not 8 lowercase hex digits");
  const material = decodeBase64(rest.join("+"), "the key of a vkey"); // base64 has plus signs of its own
  const type = material[0];
  if (type === undefined) throw new FormatError("the key of a vkey is empty");
  const key = await makeVerifierKey(name, type, material.slice(1));
  if (encodeHex(key.keyId) !== keyId) {
    throw new KeyIdMismatch(`vkey ${name} says key ID ${keyId}, its key has ${encodeHex(key.keyId)}`);
  }
  return key;
}

/** The vkey line, without newline. */
export function formatVkey(key: VerifierKey): string {
  const material = concat(Uint8Array.of(key.type), key.publicKey);
  return `${key.name}+${encodeHex(key.keyId)}+${encodeBase64(material)}`;
}

/** SHA-256 of the vkey line in hex: what people compare. `printf %s "$VKEY" | sha256sum` prints the same. */
export async function fingerprint(key: VerifierKey): Promise<string> {
  return encodeHex(await sha256(encodeText(formatVkey(key))));
}

export function hexType(type: number): string {
  return `0x${type.toString(16).padStart(2, "0")}`;
}

async function keyIdInput(name: string, type: number, publicKey: Bytes): Promise<Bytes> {
  // signed-note, type 0x02: SHA-256 of the SPKI alone. The name does not enter.
  if (type === KeyType.ECDSA) return publicKey;
  // static-ct-api: the key material in the hash is the RFC 6962 log ID, itself SHA-256 of the SPKI.
  const material = type === KeyType.RFC6962_TREE_HEAD ? await sha256(publicKey) : publicKey;
  return concat(encodeText(`${name}\n`), Uint8Array.of(type), material);
}
