/** Signed notes: text, an empty line, signature lines (C2SP signed-note). Format only; see `verify` for trust. */

import { type Bytes, checkKeyName, decodeBase64, decodeText } from "./canonical.js";
import { FormatError } from "./errors.js";

export const MAX_NOTE_BYTES = 1_000_000;
/** signed-note asks verifiers to accept at least 16; Go's sumdb/note stops at 100. */
export const MAX_SIGNATURES = 100;

const KEY_ID_SIZE = 4;
const LINE_START = "\u2014 "; // em dash, space

/** `keyId` is 4 bytes; `blob` is what the key type puts behind it, at least 1 byte. */
export interface SignatureLine {
  readonly name: string;
  readonly keyId: Bytes;
  readonly blob: Bytes;
}

/** `text` ends in a newline, which is part of what is signed. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly SignatureLine[];
}

/** Throws FormatError. */
export function parseNote(data: Uint8Array): Note {
  const content = decodeText(data, "a note", MAX_NOTE_BYTES);
  // The text may have empty lines of its own: the last one divides.
  const divider = content.lastIndexOf("\n\n");
  const lines = content.slice(divider + 2);
  if (divider < 0 || !lines.endsWith("\n")) {
    throw new FormatError("a note is text, an empty line and signature lines, each ending in a newline");
  }
  const split = lines.slice(0, -1).split("\n");
  if (split.length > MAX_SIGNATURES) throw new FormatError(`a note has more than ${MAX_SIGNATURES} signatures`);
  return { text: content.slice(0, divider + 1), signatures: split.map(parseSignatureLine) };
}

/** Parses one line without its newline. Throws FormatError. */
export function parseSignatureLine(line: string): SignatureLine {
  if (!line.startsWith(LINE_START)) throw new FormatError("a signature line does not begin with an em dash and a space");
  const rest = line.slice(LINE_START.length);
  const space = rest.indexOf(" ");
  if (space < 0) throw new FormatError("a signature line has no signature");
  const name = rest.slice(0, space);
  checkKeyName(name);
  const data = decodeBase64(rest.slice(space + 1), "the signature of a note");
  if (data.length <= KEY_ID_SIZE) throw new FormatError("a signature line has a key ID of 4 bytes and a signature");
  return { name, keyId: data.slice(0, KEY_ID_SIZE), blob: data.slice(KEY_ID_SIZE) };
}
