/**
 * What this browser remembers of one log: the keys its reader trusts and the last checkpoint that held.
 *
 * That memory is the whole defence against a log that shows different people different things, so it changes only
 * after everything held. It is kept in localStorage, under the log's address.
 */

import { type Bytes, type Checkpoint, decodeDecimal, decodeHash, encodeBase64 } from "./tlog/index.js";

/** What is stored is not what was stored there. It is not thrown away unasked: it is the reader's protection. */
export class MemoryDamaged extends Error {}

/** What this page needs of a Storage. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** The browser's, or one that ends with this page where the browser keeps nothing (private windows, blocked cookies). */
export function openStore(): { store: Store; lasts: boolean } {
  try {
    localStorage.getItem("");
    return { store: localStorage, lasts: true };
  } catch {
    const kept = new Map<string, string>();
    const store: Store = {
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, value) => void kept.set(name, value),
      removeItem: (name) => void kept.delete(name),
    };
    return { store, lasts: false };
  }
}

const VERSION = 1;
const SEEN_MAX = 50;

/** A checkpoint that held. `note` is the signed file as text, `seen` the time on this computer. */
export interface Remembered {
  readonly checkpoint: Checkpoint;
  readonly note: string;
  readonly seen: Date;
}

interface Stored {
  v: typeof VERSION;
  trust: string;
  seen: { origin: string; size: string; root: string; note: string; time: string }[];
}

export class Memory {
  readonly #name: string;

  constructor(
    logUrl: URL,
    private readonly storage: Store,
    /** Whether the next visit will know what this one did. */
    readonly lasts: boolean,
  ) {
    this.#name = `transparency-log ${logUrl.href}`;
  }

  /** What the reader confirmed: verifier keys, one a line, or a tlog-policy. Empty on a first visit. */
  get trust(): string {
    return this.#read().trust;
  }

  /** Whether there is anything to forget. */
  get isEmpty(): boolean {
    return this.storage.getItem(this.#name) === null;
  }

  /** `keep` says which of the checkpoints that were seen before still count. */
  pin(trust: string, keep: (one: Remembered) => boolean): void {
    const [stored, seen] = [this.#read(), this.seen];
    this.#write({ ...stored, trust, seen: stored.seen.filter((_, at) => keep(seen[at] as Remembered)) });
  }

  /** Checkpoints that held, newest first. Like everything here it throws MemoryDamaged. */
  get seen(): Remembered[] {
    const { seen } = this.#read();
    return undamaged(() =>
      seen.map((one) => ({
        checkpoint: {
          origin: one.origin,
          size: decodeDecimal(one.size, "a remembered size"),
          root: decodeHash(one.root, "a remembered root"),
          extensions: [],
        },
        note: one.note,
        seen: new Date(one.time),
      })),
    );
  }

  remember(checkpoint: Checkpoint, note: Bytes, now: Date): void {
    const stored = this.#read();
    const size = checkpoint.size.toString();
    const one = {
      origin: checkpoint.origin,
      size,
      root: encodeBase64(checkpoint.root),
      note: new TextDecoder().decode(note),
      time: now.toISOString(),
    };
    const others = stored.seen.filter((other) => other.size !== size);
    try {
      this.#write({ ...stored, seen: [one, ...others].slice(0, SEEN_MAX) });
    } catch {
      this.#write({ ...stored, seen: [one] }); // the browser's space is full; the newest one is what protects
    }
  }

  forget(): void {
    this.storage.removeItem(this.#name);
  }

  #read(): Stored {
    const text = this.storage.getItem(this.#name);
    if (text === null) return { v: VERSION, trust: "", seen: [] };
    const stored = undamaged(() => JSON.parse(text) as Stored);
    if (stored?.v !== VERSION || typeof stored.trust !== "string" || !Array.isArray(stored.seen)) {
      throw new MemoryDamaged("it has another form");
    }
    return stored;
  }

  #write(stored: Stored): void {
    this.storage.setItem(this.#name, JSON.stringify(stored));
  }
}

function undamaged<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new MemoryDamaged((error as Error).message);
  }
}
