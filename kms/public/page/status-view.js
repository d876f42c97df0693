/** The newest checkpoint: the verdict, what it says, who signed it. */
import { badge, download, el, facts, hash, show } from "./dom.js";
import { checkQuorum, encodeHex, hexType } from "./tlog/index.js";
import { ago, count, entries, moment, plainly, signedTime } from "./words.js";
const STALE_SECONDS = 3600;
const ALGORITHMS = {
    1: "Ed25519",
    4: "Ed25519 cosignature",
    6: "ML-DSA-44 (post-quantum)",
};
export function algorithmOf(key) {
    return ALGORITHMS[key.type] ?? `type ${hexType(key.type)}`;
}
/** `lasts`: whether this browser remembers anything from one visit to the next. */
export function showStatus(verdict, now, lasts) {
    show("verdict", banner(verdict, now));
    const { opened } = verdict;
    if (opened === null) {
        show("newest", ...(verdict.lines.length > 0 ? [signers(verdict)] : []));
        return;
    }
    const { origin, size, root } = opened.checkpoint;
    const time = signingTime(verdict);
    const signed = time === null ? "the signatures name no time" : `${moment(time)} (${ago(time, now)})`;
    show("newest", facts(["Name of the log", origin], ["Entries", count(size)], ["Signed", signed], ["Root of the tree", hash(encodeHex(root))], ["Since your last visit", continuity(verdict, now, lasts)], ["Witnesses", witnesses(verdict)]), signers(verdict));
}
function banner(verdict, now) {
    if (verdict.error !== null)
        return failure(verdict);
    const size = entries(verdict.opened?.checkpoint.size ?? 0n);
    if (!verdict.trust.isPinned) {
        return box("warn", "Signed, by keys you have not confirmed", `The ${size} add up to what was signed. But the keys came from this same server, so this does not yet ` +
            "prove who signed. Confirm the keys below.");
    }
    const warning = warningOf(verdict, now);
    if (warning !== null)
        return box("warn", `Verified, with a remark`, warning);
    return box("good", "Verified", `The keys you confirmed signed exactly these ${size}. Nothing that this browser saw before was changed or removed.`);
}
function failure(verdict) {
    const plain = plainly(verdict.error);
    const children = [el("p", { class: "exact" }, plain.exact)];
    const { before, note } = verdict;
    if (plain.isEvidence && before !== null && note !== null) {
        const save = () => {
            download(`checkpoint-${before.checkpoint.size}-before.txt`, before.note);
            download("checkpoint-now.txt", note);
        };
        const seen = `Seen before: ${entries(before.checkpoint.size)}, on ${moment(before.seen)}. `;
        children.push(el("p", {}, `${seen}Keep both checkpoints: they carry the log's own signatures and are evidence.`), el("button", { onclick: save }, "Download both checkpoints"));
    }
    return box(plain.isEvidence ? "bad" : "warn", plain.title, plain.meaning, ...children);
}
function box(mark, title, text, ...children) {
    const sign = { good: "✓", warn: "!", bad: "✕", none: "" }[mark];
    return el("div", { class: `banner ${mark}`, role: mark === "bad" ? "alert" : "status" }, el("span", { class: "sign", "aria-hidden": "true" }, sign), el("div", {}, el("h2", {}, title), el("p", {}, text), ...children));
}
/** What an attentive reader should know although every signature that was checked holds. */
function warningOf(verdict, now) {
    const time = signingTime(verdict);
    const age = time === null ? 0 : (now.getTime() - time.getTime()) / 1000;
    const missing = missingKeys(verdict);
    if (verdict.opened && verdict.opened.unchecked.length > 0) {
        return "One signature could not be checked by this browser; the others hold. A newer browser may check it too.";
    }
    if (missing.length > 0) {
        const names = missing.map(algorithmOf).join(", ");
        return `A key you confirmed did not sign this checkpoint: ${names}. A key that was retired is one explanation.`;
    }
    if (verdict.trust.serverDiffers) {
        return "The server now shows a key that you have not confirmed. Ask the log's operator why, then compare it below.";
    }
    if (age > STALE_SECONDS)
        return "The log has not signed anything for some time. You may not be seeing its newest state.";
    if (age < -300)
        return "The log signed with a time in the future. Its clock or this computer's is wrong.";
    return null;
}
function continuity({ before, opened, isContinued }, now, lasts) {
    if (before === null || opened === null) {
        if (lasts)
            return "this is the first visit of this browser";
        return badge("warn", "unknown: this browser is set to remember nothing");
    }
    if (!isContinued)
        return badge("bad", "not proved");
    const added = opened.checkpoint.size - before.checkpoint.size;
    const grown = added === 0n ? "none added" : `${entries(added)} added`;
    const text = `${grown}, none changed or removed`;
    return el("span", {}, badge("good", "proved"), ` ${text} since ${moment(before.seen)} (${ago(before.seen, now)})`);
}
function witnesses({ trust, opened }) {
    const cosigners = opened?.signers.filter(({ key }) => key.name !== opened.checkpoint.origin) ?? [];
    if (trust.policy === null || trust.policy.quorum === "none") {
        const known = cosigners.length > 0 ? `${cosigners.length} with keys shown below cosigned` : "none is asked for";
        return trust.policy === null && cosigners.length === 0 ? "none known here; you can add their keys below" : known;
    }
    try {
        const names = checkQuorum(trust.policy, opened?.signers ?? []);
        return el("span", {}, badge("good", `quorum ${trust.policy.quorum} reached`), ` ${names.join(", ")}`);
    }
    catch {
        return badge("warn", `quorum ${trust.policy.quorum} not reached`);
    }
}
function signers(verdict) {
    const rows = verdict.lines.map((result) => row(result.line.name, "key" in result ? algorithmOf(result.key) : "unknown", result.line.keyId, ...cells(result)));
    const missing = missingKeys(verdict).map((key) => row(key.name, algorithmOf(key), key.keyId, "–", badge("warn", "did not sign")));
    const head = ["Signer", "Algorithm", "Key ID", "Time it states", "Signature"];
    return table("Signatures under this checkpoint", head, [...rows, ...missing]);
}
function cells(result) {
    switch (result.status) {
        case "verified":
            return [result.timestamp ? moment(signedTime(result.timestamp)) : "–", badge("good", "verified")];
        case "failed":
            return ["–", badge("bad", "wrong")];
        case "unchecked":
            return ["–", badge("warn", "not checked by this browser")];
        case "unknown":
            return ["–", badge("none", "key not known here")];
    }
}
function row(name, algorithm, keyId, time, state) {
    return [name, algorithm, el("code", {}, encodeHex(keyId)), time, state];
}
/** A table whose cells carry their column's name, so that it can be stacked on a narrow screen. */
export function table(caption, head, rows) {
    const cellsOf = (cells) => cells.map((cell, at) => el("td", { "data-label": head[at] ?? "" }, el("span", {}, cell)));
    return el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cellsOf(cells)))));
}
function missingKeys({ trust, lines }) {
    const signed = new Set(lines.map((result) => `${result.line.name} ${encodeHex(result.line.keyId)}`));
    return trust.vkeys.filter((key) => !signed.has(`${key.name} ${encodeHex(key.keyId)}`));
}
/** The newest time that a verified signature of the log itself states. */
function signingTime({ lines, opened }) {
    const times = lines.flatMap((result) => result.status === "verified" && result.key.name === opened?.checkpoint.origin && result.timestamp
        ? [result.timestamp]
        : []);
    return times.length > 0 ? signedTime(times.reduce((a, b) => (a > b ? a : b))) : null;
}
