/** Finding entries by reading the log's entry bundles, newest first: no server has to be asked or believed. */

import { type Bytes, type Fetch, TILE_WIDTH, readBundle } from "./tlog/index.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const INDEX = /^(?:0|[1-9][0-9]{0,18})$/;

/** What the reader typed: an index, the id of an event, or words. */
export type Query =
  | { readonly kind: "index"; readonly index: bigint }
  | { readonly kind: "event"; readonly id: string }
  | { readonly kind: "words"; readonly words: string };

/** An entry as served: its proof has not been looked at. */
export interface Hit {
  readonly index: bigint;
  readonly summary: Summary;
}

/** The fields that every entry of this service has; empty where an entry has none. */
export interface Summary {
  readonly id: string;
  readonly type: string;
  readonly tenant: string;
  readonly subject: string;
  readonly time: string;
}

export function parseQuery(text: string): Query | null {
  const typed = text.trim();
  if (!typed) return null;
  if (INDEX.test(typed.replaceAll(",", ""))) return { kind: "index", index: BigInt(typed.replaceAll(",", "")) };
  if (UUID.test(typed.toLowerCase())) return { kind: "event", id: typed.toLowerCase() };
  return { kind: "words", words: typed.toLowerCase() };
}

/** The entry as JSON, or null when it is something else. */
export function parseEntry(entry: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(entry));
  } catch {
    return null;
  }
}

export function summarize(entry: Bytes): Summary {
  const value = parseEntry(entry);
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const text = (name: string): string => (typeof fields[name] === "string" ? (fields[name] as string) : "");
  return { id: text("id"), type: text("type"), tenant: text("tenant"), subject: text("subject"), time: text("time") };
}

/**
 * Reads bundles, those around `startOf` first, and answers the hits of each. The caller stops by leaving the loop.
 * Throws what `fetch` throws.
 */
export async function* scan(
  fetch: Fetch,
  size: bigint,
  query: Query,
  from = 0,
): AsyncGenerator<{ readonly hits: readonly Hit[]; readonly bundles: number; readonly total: number }> {
  const total = Number((size + BigInt(TILE_WIDTH - 1)) / BigInt(TILE_WIDTH));
  const middle = await startOf(fetch, size, total, query);
  let done = 0;
  for (const bundle of outwards(middle, total)) {
    if (done++ < from) continue;
    const entries = await readBundle(fetch, BigInt(bundle), size);
    const hits = entries
      .map((entry, at) => ({ index: BigInt(bundle) * BigInt(TILE_WIDTH) + BigInt(at), summary: summarize(entry), entry }))
      .filter(({ summary, entry }) => matches(query, summary, entry))
      .map(({ index, summary }) => ({ index, summary }));
    yield { hits: hits.reverse(), bundles: done, total };
  }
}

function matches(query: Query, summary: Summary, entry: Bytes): boolean {
  if (query.kind === "event") return summary.id === query.id;
  if (query.kind === "index") return false;
  const { subject, type, tenant } = summary;
  const text = subject || type ? `${subject}\n${type}\n${tenant}` : new TextDecoder().decode(entry);
  return text.toLowerCase().includes(query.words);
}

/**
 * The newest bundle. A UUIDv7 begins with its time (RFC 9562 section 5.7), and events are logged soon after they happen:
 * the search for one starts where entries of that time are, so it ends after a few bundles.
 */
async function startOf(fetch: Fetch, size: bigint, total: number, query: Query): Promise<number> {
  const newest = total - 1;
  if (query.kind !== "event" || UUID.exec(query.id)?.[1] !== "7") return newest;
  let [low, high] = [0, Math.max(newest, 0)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const [first] = await readBundle(fetch, BigInt(middle), size);
    const id = first === undefined ? "" : summarize(first).id;
    if (!UUID.test(id)) return newest;
    if (timeOf(id) <= timeOf(query.id)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Every number below `total`, those near `middle` first; for the last one that is newest first. */
function* outwards(middle: number, total: number): Generator<number> {
  for (let distance = 0; distance < total; distance++) {
    if (middle - distance >= 0) yield middle - distance;
    if (distance > 0 && middle + distance < total) yield middle + distance;
  }
}

/** The first 48 bits of a UUIDv7, as hex: they sort like their time. */
function timeOf(id: string): string {
  return id.slice(0, 8) + id.slice(9, 13);
}
