/** One entry: what it says, and every step of its proof. */

import { type Child, type Mark, badge, byId, download, el, facts, hash, show } from "./dom.js";
import type { Log } from "./log.js";
import { parseEntry, summarize } from "./search.js";
import { table } from "./status-view.js";
import {
  type Bytes,
  type PathStep,
  type TlogProof,
  type VerifiedEntry,
  encodeHex,
  formatProof,
  inclusionSteps,
  leafHash,
  parseCheckpoint,
  parseNote,
} from "./tlog/index.js";
import { count, entries, moment, plainly } from "./words.js";

const LAID_OUT_MAX = 16_384;

/** Counts what was asked for: an answer that is late does not replace a newer one. */
let asked = 0;

/** Shows entry `index` of the log as it stands now. */
export async function showEntry(log: Log, index: bigint): Promise<void> {
  await guarded(`Entry ${count(index)}`, async () => {
    if (!(await log.hasGrownTo(index + 1n))) return [missing(log)];
    const { proof, entry } = await log.prove(index);
    return proofView(log, proof, entry);
  });
}

function missing(log: Log): HTMLElement {
  const { size } = log.current().opened.checkpoint;
  const last = size > 0n ? ` The last one is number ${count(size - 1n)}.` : "";
  return verdictLine("warn", "Not in the log", `The log has ${entries(size)}.${last}`);
}

/** Shows an entry with a proof from a file. Without the entry's own file the log's entry at that index is taken. */
export async function showProofFile(log: Log, proof: TlogProof, entry: Bytes | null): Promise<void> {
  await guarded(`Entry ${count(proof.index)}`, async () => {
    const content = entry ?? (await log.prove(proof.index)).entry;
    const source = entry ? "The entry is the file you gave." : "You gave no entry file: this is the log's own entry.";
    return proofView(log, proof, content, el("p", { class: "quiet" }, source), await place(log, proof));
  });
  scrollToEntry();
}

export function scrollToEntry(): void {
  byId("entry").scrollIntoView({ block: "start" });
  byId("entry-title").focus({ preventScroll: true }); // who uses a keyboard or a screen reader goes on from here
}

async function guarded(title: string, work: () => Promise<Child[]>): Promise<void> {
  const mine = ++asked;
  byId("entry").hidden = false;
  show("entry-title", title);
  show("entry-body", el("p", { class: "quiet" }, "Reading the log and checking the proof…"));
  let view: Child[];
  try {
    view = await work();
  } catch (error) {
    view = failureLines(error);
  }
  if (mine === asked) show("entry-body", ...view);
}

async function proofView(log: Log, proof: TlogProof, entry: Bytes, ...remarks: Child[]): Promise<Child[]> {
  const { size, root } = await parseCheckpoint(parseNote(proof.checkpoint).text);
  const leaf = await leafHash(entry);
  let result: VerifiedEntry | null = null;
  let failure: unknown = null;
  try {
    result = await log.verify(proof, entry);
  } catch (error) {
    failure = error;
  }
  const steps = result?.steps ?? (await inclusionSteps(proof.index, size, leaf, proof.path).catch(() => []));
  const { trust, error } = log.current();
  const whose = trust.isPinned ? "signed by keys you confirmed" : "signed, by keys you have not confirmed yet";
  const remark = error === null ? "" : " But a check of the log itself failed: see the top of this page.";
  const proved = `Entry ${count(proof.index)} is one of ${entries(size)} ${whose}.${remark}`;
  const mark = trust.isPinned && error === null ? "good" : "warn";
  return [
    ...(result ? [verdictLine(mark, "Proved to be in the log", proved)] : failureLines(failure)),
    ...remarks,
    content(entry),
    facts(["Index", count(proof.index)], ["Leaf hash", hash(encodeHex(leaf))], ["Bytes", count(entry.length)]),
    pathTable(leaf, steps, root),
    actions(proof, entry, result !== null),
  ];
}

function failureLines(error: unknown): HTMLElement[] {
  const { title, meaning, exact } = plainly(error);
  return [verdictLine("bad", title, meaning), el("p", { class: "exact" }, exact)];
}

function verdictLine(mark: Mark, title: string, text: string): HTMLElement {
  return el("p", { class: "verdict-line", role: "status" }, badge(mark, title), ` ${text}`);
}

function content(entry: Bytes): HTMLElement {
  const value = parseEntry(entry);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(entry);
  if (value === null || !isPlain(value, text)) {
    return el("pre", { tabindex: "0", "aria-label": "The entry" }, text || "(empty)");
  }
  const { type, subject, tenant, time } = summarize(entry);
  const known = [["What", type], ["About", subject], ["Tenant", tenant], ["When", readable(time)]] as const;
  return el(
    "div",
    {},
    facts(...known.filter(([, text]) => text)),
    el("pre", { tabindex: "0", "aria-label": "The whole entry" }, JSON.stringify(value, null, 2)),
  );
}

/**
 * What is not canonical JSON (RFC 8785) may say more than a parser sees, such as a name twice: it is shown as it is. So
 * is what is too long or too deep to be laid out for people.
 */
function isPlain(value: unknown, text: string): boolean {
  try {
    return text.length <= LAID_OUT_MAX && JSON.stringify(value) === text;
  } catch {
    return false; // nested deeper than the runtime can write
  }
}

function readable(time: string): string {
  return Number.isNaN(Date.parse(time)) ? time : moment(new Date(time));
}

function pathTable(leaf: Bytes, steps: readonly PathStep[], root: Bytes): HTMLElement {
  const rows = steps.map(({ computed, sibling, siblingIsLeft, parent }, at): Child[] => {
    const [left, right] = siblingIsLeft ? [sibling, computed] : [computed, sibling];
    const cell = (bytes: Bytes): Child =>
      el("span", { class: bytes === sibling ? "sibling" : "" }, hash(encodeHex(bytes)));
    return [String(at + 1), cell(left), cell(right), hash(encodeHex(parent))];
  });
  const last = encodeHex(steps.at(-1)?.parent ?? leaf);
  const isSame = last === encodeHex(root);
  return el(
    "details",
    { open: true, class: "path" },
    el("summary", {}, `The proof, step by step (${steps.length} ${steps.length === 1 ? "step" : "steps"})`),
    el(
      "p",
      { class: "quiet" },
      "This browser hashed the entry, then joined it with its neighbours, one level after another. ",
      el("span", { class: "sibling" }, "Marked"),
      " hashes come from the log's files; all others were computed here.",
    ),
    table("Path from the entry to the root", ["Step", "Left", "Right", "Hash of both"], rows),
    el(
      "div",
      { class: "final" },
      facts(["Computed here", hash(last)], ["Signed by the log", hash(encodeHex(root))]),
      badge(isSame ? "good" : "bad", isSame ? "the same" : "not the same"),
    ),
  );
}

function actions(proof: TlogProof, entry: Bytes, holds: boolean): HTMLElement {
  const name = `entry-${proof.index}`;
  const suffix = parseEntry(entry) === null ? "bin" : "json";
  const saveProof = (): void => download(`${name}.tlog-proof`, formatProof(proof));
  return el(
    "p",
    { class: "actions" },
    ...(holds ? [el("button", { onclick: saveProof, id: "save-proof" }, "Download proof")] : []),
    el("button", { onclick: () => download(`${name}.${suffix}`, entry), id: "save-entry" }, "Download entry"),
    el("a", { href: `#entry=${proof.index}` }, "Link to this entry"),
  );
}

/** Whether the checkpoint of a proof file belongs to the history that the log shows now. */
async function place(log: Log, proof: TlogProof): Promise<Child> {
  try {
    const older = await log.open(proof.checkpoint);
    await log.proveOlder(older);
    return el("p", {}, badge("good", "same history"), ` The proof's checkpoint (${entries(older.size)}) is part of today's log.`);
  } catch (error) {
    const { title, meaning, isEvidence } = plainly(error);
    return el("p", {}, badge(isEvidence ? "bad" : "warn", title), ` ${meaning}`);
  }
}
