/** Plain words for people who are not engineers. */

import { MemoryDamaged } from "./memory.js";
import {
  BadSignature,
  ForkError,
  FormatError,
  InclusionError,
  MissingResource,
  NotChecked,
  NotSigned,
  OriginMismatch,
  QuorumNotReached,
  RollbackError,
  TamperedError,
  FetchError,
} from "./tlog/index.js";

/** What an error means. `exact` is for engineers. */
export interface Plain {
  readonly title: string;
  readonly meaning: string;
  readonly exact: string;
  /** Whether this is evidence against the log, rather than trouble with reading it. */
  readonly isEvidence: boolean;
}

const EVIDENCE: readonly (readonly [new (...args: never[]) => Error, string, string])[] = [
  [
    RollbackError,
    "The log went backwards",
    "The log shows fewer entries than it had signed earlier. Entries have been taken away, or an old copy was put back.",
  ],
  [
    ForkError,
    "The log was rewritten",
    "The log has signed two histories that cannot both be true. An honest log never does this.",
  ],
  [
    OriginMismatch,
    "This is another log",
    "The log at this address has another name than the one this browser saw here before.",
  ],
  [
    BadSignature,
    "A signature is wrong",
    "A signature under the checkpoint does not belong to the key it names. Nothing in it can be relied upon.",
  ],
  [
    NotSigned,
    "Not signed by your keys",
    "None of the keys of the log that you trust signed this checkpoint. It may come from somebody else.",
  ],
  [
    InclusionError,
    "The proof is broken",
    "This entry, at this place, does not lead to the number that the log signed. It was altered, or it was never there.",
  ],
  [
    TamperedError,
    "The published files are broken",
    "Files of the log contradict each other or what the log signed. At least one was altered after it was published.",
  ],
  [FormatError, "This cannot be read", "The file is not what it should be. It may be damaged or of another kind."],
];

export function plainly(error: unknown): Plain {
  const exact = error instanceof Error ? error.message : String(error);
  if (error instanceof NotChecked) {
    const meaning =
      "This browser has none of the algorithms that the log signs with, so nothing is known. A newer browser may check it.";
    return { title: "This browser cannot check it", meaning, exact, isEvidence: false };
  }
  if (error instanceof MemoryDamaged) {
    const meaning =
      "What this browser remembered of the log is damaged, so nothing can be compared with it. Have it forgotten below, " +
      "under the keys, and confirm the keys again.";
    return { title: "The memory of this browser is damaged", meaning, exact, isEvidence: false };
  }
  for (const [kind, title, meaning] of EVIDENCE) {
    if (error instanceof kind) return { title, meaning, exact, isEvidence: !(error instanceof FormatError) };
  }
  if (error instanceof QuorumNotReached) {
    const meaning = "Fewer independent witnesses than you ask for have cosigned. They may only be late: try again soon.";
    return { title: "Too few witnesses", meaning, exact, isEvidence: false };
  }
  if (error instanceof MissingResource) {
    return { title: "A file is missing", meaning: "The log does not show a file that is needed.", exact, isEvidence: false };
  }
  if (error instanceof FetchError) {
    const meaning = "The server did not answer as expected. Try again in a moment.";
    return { title: "The log cannot be read now", meaning, exact, isEvidence: false };
  }
  return { title: "This check could not be done", meaning: "Something unexpected happened in this page.", exact, isEvidence: false };
}

export function count(value: bigint | number): string {
  return value.toLocaleString("en");
}

export function entries(value: bigint | number): string {
  return `${count(value)} ${BigInt(value) === 1n ? "entry" : "entries"}`;
}

/** `2026-11-21 14:03:22 UTC`. */
export function moment(time: Date): string {
  return Number.isNaN(time.getTime()) ? "unknown" : `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

/** `3 minutes ago`, `in 2 hours`. */
export function ago(time: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - time.getTime()) / 1000);
  for (const [unit, length] of UNITS) {
    const number = Math.floor(Math.abs(seconds) / length);
    if (number >= 1) {
      const text = `${number} ${unit}${number === 1 ? "" : "s"}`;
      return seconds > 0 ? `${text} ago` : `in ${text}`;
    }
  }
  return "just now";
}

/** A signed time, POSIX seconds. Beyond what a Date can hold it is shown as it is. */
export function signedTime(seconds: bigint): Date {
  return new Date(Number(seconds) * 1000);
}

/** In groups of four, for reading aloud. */
export function grouped(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, "$1 ");
}
