/** The checkpoints that the log signed: as it publishes them, or as this browser has seen them. */
import { badge, byId, el, hash, show } from "./dom.js";
import { table } from "./status-view.js";
import { FormatError, MAX_NOTE_BYTES, MissingResource, TamperedError, bytesEqual, decodeDecimal, decodeHash, encodeHex, } from "./tlog/index.js";
import { count, moment, plainly } from "./words.js";
const HISTORY_PATH = "history.json";
const HISTORY_BYTES_MAX = 200_000;
const ROWS_MAX = 200;
export async function showHistory(log) {
    const { rows, intro } = await findRows(log);
    show("history-intro", intro);
    const states = rows.map(() => el("span", {}, badge("none", "not checked yet")));
    const cells = rows.map(({ size, root, time }, at) => [
        count(size),
        moment(time),
        hash(encodeHex(root)),
        states[at],
    ]);
    show("history-table", table("Checkpoints, newest first", ["Entries", "Time", "Root", "Verdict"], cells));
    const button = byId("history-verify");
    button.hidden = rows.length === 0;
    button.disabled = false;
    button.onclick = () => void verifyAll(log, rows, states, button);
    show("history-progress");
}
async function verifyAll(log, rows, states, button) {
    button.disabled = true;
    let held = 0;
    for (const [at, row] of rows.entries()) {
        show("history-progress", el("progress", { max: String(rows.length), value: String(at), "aria-label": "Verifying" }));
        let state;
        try {
            await verifyRow(log, row);
            state = badge("good", "signed, part of today's log");
            held++;
        }
        catch (error) {
            const { title, exact, isEvidence } = plainly(error);
            state = el("span", { title: exact }, badge(isEvidence ? "bad" : "warn", title));
        }
        states[at]?.replaceChildren(state);
    }
    const all = held === rows.length;
    show("history-progress", badge(all ? "good" : "bad", `${held} of ${rows.length} hold`));
    button.disabled = false;
}
/** Throws unless the row's checkpoint is signed, says what the row says, and is a prefix of the newest one. */
async function verifyRow(log, row) {
    const stated = await log.open(await row.note());
    await log.proveOlder(stated);
    if (stated.size !== row.size || !bytesEqual(stated.root, row.root)) {
        throw new TamperedError(HISTORY_PATH, "the list says something else than the signed checkpoint");
    }
}
function seenRows(log) {
    return log.memory.seen.map(({ checkpoint, note, seen }) => ({
        size: checkpoint.size,
        root: checkpoint.root,
        time: seen,
        note: async () => new TextEncoder().encode(note),
    }));
}
async function findRows(log) {
    const published = "The log publishes its past checkpoints. Each one should still be part of the log as it is today.";
    try {
        return { rows: await publishedRows(log), intro: published };
    }
    catch (error) {
        const why = error instanceof MissingResource ? "publishes no list" : "shows no list that can be read";
        const intro = `This log ${why} of past checkpoints. These are the ones this browser has seen.`;
        return { rows: seenRows(log), intro };
    }
}
/** Throws for a list that is not there, and for one that is not of this version and shape. */
async function publishedRows(log) {
    const text = new TextDecoder().decode(await log.fetch(HISTORY_PATH, HISTORY_BYTES_MAX));
    const history = JSON.parse(text);
    if (history.v !== 1)
        throw new FormatError(`version ${history.v} of the list is not known here`);
    return history.checkpoints.slice(0, ROWS_MAX).map(({ size, root, time }) => ({
        size: decodeDecimal(String(size), "a size"),
        root: decodeHash(root, "a root"),
        time: new Date(time),
        note: () => log.fetch(`history/${size}`, MAX_NOTE_BYTES),
    }));
}
