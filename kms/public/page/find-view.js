/** The search field, the file drop, and the list of what was found. */
import { byId, el, show } from "./dom.js";
import { showProofFile } from "./entry-view.js";
import { parseQuery, scan } from "./search.js";
import { PROOF_HEADER, TILE_WIDTH, parseProof } from "./tlog/index.js";
import { entries, plainly } from "./words.js";
const BUNDLES_AT_ONCE = 400;
const HITS_MAX = 100;
const FILE_BYTES_MAX = 2_000_000;
export class Finder {
    log;
    /** Counts searches: one that is no longer the newest stops by itself. */
    #run = 0;
    constructor(log) {
        this.log = log;
    }
    wire() {
        byId("find-form").onsubmit = (event) => {
            event.preventDefault();
            const query = parseQuery(byId("find-text").value);
            if (query !== null)
                void this.find(query);
        };
        byId("find-stop").onclick = () => this.#run++;
        const files = byId("proof-files");
        files.onchange = () => {
            void this.#open([...(files.files ?? [])]);
            files.value = ""; // the same file may be chosen again
        };
        const drop = byId("drop");
        drop.ondragover = (event) => {
            event.preventDefault();
            drop.classList.add("over");
        };
        drop.ondragleave = () => drop.classList.remove("over");
        drop.ondrop = (event) => {
            event.preventDefault();
            drop.classList.remove("over");
            void this.#open([...(event.dataTransfer?.files ?? [])]);
        };
    }
    async find(query, from = 0) {
        const run = ++this.#run;
        if (query.kind === "index") {
            show("find-results");
            show("find-progress");
            openEntry(query.index);
            return;
        }
        if (from === 0)
            show("find-results");
        byId("find-stop").hidden = false;
        try {
            await this.#scan(query, from, run);
        }
        catch (error) {
            const plain = plainly(error);
            show("find-progress", `${plain.title}. ${plain.meaning}`);
        }
        if (run === this.#run)
            byId("find-stop").hidden = true;
    }
    async #scan(query, from, run) {
        const { size } = this.log.current().opened.checkpoint;
        const list = byId("find-results");
        let read = from;
        show("find-progress", el("progress", { "aria-label": "Searching" }));
        for await (const { hits, bundles, total } of scan(this.log.fetch, size, query, from)) {
            if (run !== this.#run)
                return this.#stopped(read, query);
            read = bundles;
            list.append(...hits.map(item));
            const bar = el("progress", { max: String(total), value: String(bundles), "aria-label": "Searching" });
            show("find-progress", bar, ` ${found(list.childElementCount, bundles)}`);
            if (query.kind === "event" && hits[0]) {
                show("find-progress", "Found. ");
                openEntry(hits[0].index);
                return;
            }
            const isFull = list.childElementCount >= HITS_MAX || bundles - from >= BUNDLES_AT_ONCE;
            if (isFull && bundles < total)
                return this.#pause(query, bundles);
        }
        show("find-progress", `${found(list.childElementCount)}. The whole log was searched: ${entries(size)}.`);
    }
    #stopped(read, query) {
        byId("find-stop").hidden = true;
        this.#pause(query, read);
    }
    #pause(query, bundles) {
        const more = el("button", { onclick: () => void this.find(query, bundles) }, "Continue");
        const shown = byId("find-results").childElementCount;
        show("find-progress", `${found(shown, bundles)}. `, more);
    }
    async #open(files) {
        try {
            const contents = await Promise.all(files.map(read));
            const isProof = (data) => new TextDecoder().decode(data.subarray(0, PROOF_HEADER.length)) === PROOF_HEADER;
            const proof = contents.find(isProof);
            if (proof === undefined) {
                show("proof-problem", "None of these files is a proof: a .tlog-proof file is needed, and the entry if you have it.");
                return;
            }
            show("proof-problem");
            await showProofFile(this.log, parseProof(proof), contents.find((data) => !isProof(data)) ?? null);
        }
        catch (error) {
            show("proof-problem", `The file cannot be used: ${plainly(error).exact}.`);
        }
    }
}
async function read(file) {
    if (file.size > FILE_BYTES_MAX)
        throw new Error(`${file.name} is too large to be a proof or an entry`);
    return new Uint8Array(await file.arrayBuffer());
}
function openEntry(index) {
    const hash = `#entry=${index}`;
    if (location.hash === hash)
        dispatchEvent(new HashChangeEvent("hashchange"));
    else
        location.hash = hash;
}
function item({ index, summary }) {
    const { type, subject, time } = summary;
    return el("li", {}, el("a", { href: `#entry=${index}` }, el("span", { class: "number" }, `#${index}`), el("span", { class: "what" }, el("strong", {}, type || "entry"), ` ${subject}`), el("span", { class: "when" }, time.slice(0, 16).replace("T", " "))));
}
function found(hits, bundles = 0) {
    const where = bundles > 0 ? ` in about ${entries(bundles * TILE_WIDTH)}` : "";
    return hits === 0 ? `Nothing found${where}` : `${hits} found${where}; open one to verify it`;
}
