/** Building the page. Text goes in as text only: nothing that a log serves is ever read as HTML. */
/** An element with attributes (`class`, `href`, ...), `on<event>` listeners, and children. */
export function el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (typeof value === "function")
            element.addEventListener(name.slice(2), value);
        else if (typeof value === "boolean")
            element.toggleAttribute(name, value);
        else
            element.setAttribute(name, value);
    }
    element.append(...children.map(visible));
    return element;
}
/** Characters that show nothing or turn the direction of text (Unicode, Bidi_Control and others), written out. */
const INVISIBLE = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
function visible(child) {
    if (typeof child !== "string")
        return child;
    return child.replace(INVISIBLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
/** The element of the page with this id, which is there. */
export function byId(id) {
    return document.getElementById(id);
}
export function show(id, ...children) {
    byId(id).replaceChildren(...children.map(visible));
}
/** A definition list of label and value. */
export function facts(...rows) {
    const pairs = rows.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value)));
    return el("dl", { class: "facts" }, ...pairs);
}
const SIGNS = { good: "✓", warn: "!", bad: "✕", none: "–" };
/** A verdict in one word, told by sign and text as well as by colour. */
export function badge(mark, text) {
    return el("span", { class: `badge ${mark}` }, el("span", { "aria-hidden": "true" }, SIGNS[mark]), ` ${text}`);
}
/** A hash in hex, short unless the reader asks for full ones. */
export function hash(hex) {
    const short = `${hex.slice(0, 8)}…${hex.slice(-8)}`;
    return el("code", { class: "hash", title: hex }, el("span", { class: "short" }, short), el("span", { class: "full" }, hex));
}
/** Hands the reader a file made here. */
export function download(name, content) {
    const url = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
