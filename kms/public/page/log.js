/** One log as this page sees it: its newest checkpoint, checked against keys and against what was seen before. */
import { CHECKPOINT_PATH, FormatError, MAX_NOTE_BYTES, MissingResource, TamperedError, TileCache, TileReader, bytesEqual, checkLines, checkQuorum, encodeText, formatVkey, inclusionProof, openCheckpoint, parseNote, parsePolicy, parseVkey, policyKeys, proveExtends, readEntry, rootAt, verifyProof, } from "./tlog/index.js";
const POLICY_PATH = "policy";
const VERIFIER_KEYS_PATH = "verifier-keys";
const MAX_KEYS_BYTES = 1_000_000;
export class Log {
    fetch;
    memory;
    checked;
    #cache = new TileCache();
    verdict = null;
    /** `checked` hears every new verdict. */
    constructor(fetch, memory, checked) {
        this.fetch = fetch;
        this.memory = memory;
        this.checked = checked;
    }
    /** Runs every check on the newest checkpoint, and remembers it if all of them hold. Never throws. */
    async check(now) {
        let verdict = {
            trust: { text: "", vkeys: [], policy: null, isPinned: false, serverDiffers: false },
            note: null,
            lines: [],
            opened: null,
            before: null,
            isContinued: false,
            error: null,
        };
        try {
            verdict = { ...verdict, before: this.memory.seen[0] ?? null };
            verdict = { ...verdict, trust: await this.#trust() };
            const note = await this.fetch(CHECKPOINT_PATH, MAX_NOTE_BYTES);
            verdict = { ...verdict, note, lines: await checkLines(parseNote(note), verdict.trust.vkeys) };
            const opened = await openCheckpoint(note, verdict.trust.vkeys);
            verdict = { ...verdict, opened };
            await this.#compare(opened, verdict.before);
            verdict = { ...verdict, isContinued: true };
            if (verdict.trust.policy !== null)
                checkQuorum(verdict.trust.policy, opened.signers);
            this.memory.remember(opened.checkpoint, note, now);
        }
        catch (error) {
            verdict = { ...verdict, error };
        }
        this.verdict = verdict;
        this.checked(verdict);
        return verdict;
    }
    /**
     * Remembers what the reader confirmed: keys or a policy. Checkpoints that were seen while the keys were only the
     * server's claim are kept if these keys signed them. Throws FormatError, also when there is no key.
     */
    async confirm(text) {
        const { vkeys } = await parseTrust(text);
        if (vkeys.length === 0)
            throw new FormatError("there is no key in it");
        const kept = new Set();
        for (const { note } of this.memory.trust === "" ? this.memory.seen : []) {
            await openCheckpoint(encodeText(note), vkeys).then(() => kept.add(note), () => undefined);
        }
        const all = this.memory.trust !== "";
        this.memory.pin(text, ({ note }) => all || kept.has(note));
    }
    /** Whether the log has `size` entries: if not when it was last read, it is read again, for it may have grown. */
    async hasGrownTo(size) {
        if (this.current().opened.checkpoint.size < size)
            await this.check(new Date());
        return this.current().opened.checkpoint.size >= size;
    }
    /** The tiles of the newest checkpoint. */
    tiles(opened) {
        return new TileReader(this.fetch, opened.checkpoint.size, this.#cache);
    }
    /** Fetches an entry and builds its proof from the tiles. Neither is verified yet: see `verify`. */
    async prove(index) {
        const { note, opened } = this.current();
        const entry = await readEntry(this.fetch, index, opened.checkpoint.size);
        const path = await inclusionProof(index, opened.checkpoint.size, this.tiles(opened).readHash);
        const proof = { index, path, checkpoint: note, extra: new Uint8Array(0) };
        return { proof, entry };
    }
    /** Throws FormatError, SignatureError or InclusionError unless `proof` shows that `entry` is in the log. */
    verify(proof, entry) {
        return verifyProof(proof, entry, this.current().trust.vkeys);
    }
    /** A signed note of this log as a checkpoint. Throws as `openCheckpoint` does. */
    async open(note) {
        return (await openCheckpoint(note, this.current().trust.vkeys)).checkpoint;
    }
    /** Throws unless another checkpoint, which must have been opened, is a prefix of the newest one. */
    async proveOlder(older) {
        await this.hasGrownTo(older.size);
        const { opened } = this.current();
        await proveExtends(older, opened.checkpoint, this.tiles(opened));
    }
    /** The verdict, if there is a checkpoint that is signed. Throws what went wrong otherwise. */
    current() {
        const verdict = this.verdict;
        if (verdict === null)
            throw new Error("the newest checkpoint was not read yet");
        if (verdict.note === null || verdict.opened === null)
            throw verdict.error;
        return { ...verdict, note: verdict.note, opened: verdict.opened };
    }
    async #trust() {
        const text = this.memory.trust;
        const { vkeys, policy } = await parseTrust(text);
        if (vkeys.length === 0) {
            const claim = await this.#claim();
            return { text: claim, ...(await parseTrust(claim)), policy: null, isPinned: false, serverDiffers: false };
        }
        const [names, known] = [new Set(vkeys.map((key) => key.name)), new Set(vkeys.map(formatVkey))];
        const claimed = await this.#claim().then(parseTrust, () => ({ vkeys: [] }));
        const serverDiffers = claimed.vkeys.some((key) => names.has(key.name) && !known.has(formatVkey(key)));
        return { text, vkeys, policy, isPinned: true, serverDiffers };
    }
    /** What the server says should be trusted: its policy, or its keys. */
    async #claim() {
        const read = async (path) => new TextDecoder().decode(await this.fetch(path, MAX_KEYS_BYTES));
        try {
            return await read(POLICY_PATH);
        }
        catch (error) {
            if (!(error instanceof MissingResource))
                throw error;
            return read(VERIFIER_KEYS_PATH);
        }
    }
    async #compare(opened, before) {
        const { checkpoint } = opened;
        const tiles = this.tiles(opened);
        if (before !== null)
            await proveExtends(before.checkpoint, checkpoint, tiles);
        if (!bytesEqual(await rootAt(checkpoint.size, tiles.readHash), checkpoint.root)) {
            throw new TamperedError("tile", `the tiles do not make the signed root of size ${checkpoint.size}`);
        }
    }
}
/**
 * Reads what a reader was given to trust: a C2SP tlog-policy, which has a quorum line, or else verifier keys, one a
 * line, with empty lines and comments (`#`) left out. Throws FormatError.
 */
export async function parseTrust(text) {
    const lines = text.split("\n").map((line) => line.trim());
    if (lines.some((line) => /^quorum\s/.test(line))) {
        const policy = await parsePolicy(lines.join("\n"));
        return { vkeys: policyKeys(policy), policy };
    }
    const vkeys = new Set(lines.filter((line) => line && !line.startsWith("#")));
    return { vkeys: await Promise.all([...vkeys].map(parseVkey)), policy: null };
}
