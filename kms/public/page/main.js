/** The auditor's page: reads the public files next to it and verifies them here, in the browser. */
import { byId, show } from "./dom.js";
import { scrollToEntry, showEntry } from "./entry-view.js";
import { Finder } from "./find-view.js";
import { showHistory } from "./history-view.js";
import { showKeys, wireKeys } from "./keys-view.js";
import { Log } from "./log.js";
import { Memory, openStore } from "./memory.js";
import { showStatus } from "./status-view.js";
import { httpFetcher } from "./tlog/index.js";
const LOG_URL = new URL(".", document.baseURI);
const { store, lasts } = openStore();
const log = new Log(httpFetcher(LOG_URL), new Memory(LOG_URL, store, lasts), (verdict) => {
    showStatus(verdict, new Date(), lasts);
});
async function refresh() {
    const button = byId("refresh");
    button.disabled = true;
    const verdict = await log.check(new Date());
    await showKeys(log, verdict.trust, () => void refresh());
    byId("find").hidden = verdict.opened === null;
    byId("history").hidden = verdict.opened === null;
    if (verdict.opened !== null)
        await Promise.all([openFromAddress(), showHistory(log)]);
    button.disabled = false;
    document.body.dataset["ready"] = "true";
}
async function openFromAddress() {
    const index = /^#entry=(0|[1-9][0-9]{0,18})$/.exec(location.hash)?.[1];
    if (index !== undefined && log.verdict?.opened)
        await showEntry(log, BigInt(index));
}
function start() {
    if (!isSecureContext) {
        show("verdict", "This page cannot check anything here: browsers offer cryptography only to pages that came over https, or from " +
            "this same computer. Open it with an https address.");
        return;
    }
    wireKeys(log, () => void refresh());
    new Finder(log).wire();
    byId("refresh").onclick = () => void refresh();
    byId("full-hashes").onchange = () => {
        document.body.classList.toggle("full-hashes", byId("full-hashes").checked);
    };
    addEventListener("hashchange", () => void openFromAddress().then(scrollToEntry));
    void refresh().then(() => {
        if (location.hash.startsWith("#entry="))
            scrollToEntry();
    });
}
start();
