/** Strict readers of the few notations the C2SP formats share. One value has exactly one accepted spelling. */
import { FormatError } from "./errors.js";
export const HASH_SIZE = 32;
/** Largest tree size, index or timestamp. Go verifiers hold them in an int64. */
export const MAX_SIZE = 2n ** 63n - 1n;
const DECIMAL = /^(?:0|[1-9][0-9]{0,18})$/;
const FORBIDDEN = /[\x00-\x09\x0b-\x1f]|\p{Surrogate}/u;
const CHUNK = 8192;
export function encodeText(text) {
    return new TextEncoder().encode(text);
}
export function encodeBase64(data) {
    let binary = "";
    for (let at = 0; at < data.length; at += CHUNK) {
        binary += String.fromCharCode(...data.subarray(at, at + CHUNK));
    }
    return btoa(binary);
}
export function encodeHex(data) {
    return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
/**
 * Standard base64 with padding (RFC 4648 section 4).
 *
 * The result must encode to the same text: `atob` alone accepts spaces, no padding, and stray bits in the last
 * character.
 */
export function decodeBase64(text, what) {
    let binary;
    try {
        binary = atob(text);
    }
    catch {
        throw new FormatError(`${what} is not base64`);
    }
    const data = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    if (encodeBase64(data) !== text)
        throw new FormatError(`${what} is not canonical base64`);
    return data;
}
/** The base64 of one SHA-256 value, 32 bytes. */
export function decodeHash(text, what) {
    const data = decodeBase64(text, what);
    if (data.length !== HASH_SIZE) {
        throw new FormatError(`${what} has ${data.length} bytes, a SHA-256 hash has ${HASH_SIZE}`);
    }
    return data;
}
/** ASCII decimal without sign or leading zero, at most 2^63 - 1. */
export function decodeDecimal(text, what) {
    if (!DECIMAL.test(text) || BigInt(text) > MAX_SIZE) {
        throw new FormatError(`${what} is not a canonical decimal below 2^63`);
    }
    return BigInt(text);
}
/** UTF-8 without control characters other than newline (signed-note, "Format"). */
export function decodeText(data, what, maxBytes) {
    if (data.length > maxBytes)
        throw new FormatError(`${what} is larger than ${maxBytes} bytes`);
    let text;
    try {
        text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    }
    catch {
        throw new FormatError(`${what} is not UTF-8`);
    }
    checkCharacters(text, what);
    return text;
}
/** Throws for control characters other than newline, and for lone surrogates, which have no UTF-8 form. */
export function checkCharacters(text, what) {
    if (FORBIDDEN.test(text))
        throw new FormatError(`${what} has a control character`);
}
/** Key names are not empty and have no Unicode space and no plus (signed-note, "Format"). */
export function checkKeyName(name) {
    if (!name || /\+|\p{White_Space}/u.test(name))
        throw new FormatError("a key name is empty or has a space or a plus");
    checkCharacters(name, "a key name");
}
export function bytesEqual(a, b) {
    return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
export function concat(...parts) {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        whole.set(part, at);
        at += part.length;
    }
    return whole;
}
/** A big-endian u64. */
export function encodeU64(value) {
    const data = new Uint8Array(8);
    new DataView(data.buffer).setBigUint64(0, value);
    return data;
}
