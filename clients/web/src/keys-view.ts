/** The keys: compared and confirmed by the reader once, then held against every checkpoint. */

import { byId, el, facts, show } from "./dom.js";
import type { Log, Trust } from "./log.js";
import { algorithmOf } from "./status-view.js";
import { type VerifierKey, encodeHex, fingerprint, formatVkey } from "./tlog/index.js";
import { grouped, plainly } from "./words.js";

export async function showKeys(log: Log, trust: Trust, changed: () => void): Promise<void> {
  const intro = trust.isPinned
    ? "You confirmed these keys in this browser. Every checkpoint is held against them."
    : "This server says that these are its keys. Compare the fingerprints with those you got from the operator by " +
      "another way: a contract, a printed page, a call. Whoever controls this server could show you keys of their own.";
  show("keys-intro", intro);
  show("keys-list", ...(await Promise.all(trust.vkeys.map(card))));
  const confirm = byId<HTMLButtonElement>("keys-confirm");
  confirm.hidden = trust.isPinned || trust.vkeys.length === 0;
  confirm.onclick = () => void log.confirm(trust.text).then(changed);
  byId("keys-forget").hidden = log.memory.isEmpty;
  byId<HTMLDetailsElement>("keys").open = !trust.isPinned || trust.serverDiffers;
  byId("keys-state").textContent = trust.isPinned ? "confirmed by you" : "not confirmed yet";
}

/** Wires what does not change with the verdict: pasting keys, and forgetting. */
export function wireKeys(log: Log, changed: () => void): void {
  byId<HTMLFormElement>("keys-form").onsubmit = (event) => {
    event.preventDefault();
    void pinPasted(log, changed);
  };
  byId("keys-forget").onclick = () => {
    if (confirm("Forget the keys and checkpoints this browser remembers? A fork can then no longer be noticed.")) {
      log.memory.forget();
      changed();
    }
  };
}

async function pinPasted(log: Log, changed: () => void): Promise<void> {
  const field = byId<HTMLTextAreaElement>("keys-text");
  try {
    await log.confirm(field.value);
    field.value = "";
    show("keys-problem");
    changed();
  } catch (error) {
    show("keys-problem", `These are neither verifier keys nor a policy: ${plainly(error).exact}.`);
  }
}

async function card(key: VerifierKey): Promise<HTMLElement> {
  const line = el("details", {}, el("summary", {}, "Whole key"), el("code", { class: "block" }, formatVkey(key)));
  return el(
    "article",
    { class: "key" },
    el("h3", {}, algorithmOf(key)),
    facts(
      ["Name", key.name],
      ["Key ID", el("code", {}, encodeHex(key.keyId))],
      ["Fingerprint (SHA-256)", el("code", { class: "fingerprint" }, grouped(await fingerprint(key)))],
    ),
    line,
  );
}
