// The library against the public vectors. Run by test_library.py: TLOG_LIBRARY names the compiled index.js, TLOG_VECTORS
// the folder with merkle/, notes/, proofs/ and so on; what a set leaves out is skipped.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

const tlog = await import(process.env.TLOG_LIBRARY);
const FOLDER = process.env.TLOG_VECTORS;

/** A test over one vector file; integers of the named fields are kept exact, as text. */
function over(name, title, check, exact = []) {
  const path = `${FOLDER}/${name}`;
  test(`${name}: ${title}`, { skip: existsSync(path) ? false : "not in this set" }, async () => {
    const pattern = new RegExp(`"(${exact.join("|") || "-"})":\\s*(\\d+)`, "g");
    const parse = (text) => JSON.parse(text.replace(pattern, '"$1":"$2"'));
    const text = readFileSync(path, "utf8");
    const records = name.endsWith("l") ? text.trim().split("\n").map(parse) : parse(text);
    await check(records);
  });
}

const bytes = (base64) => Uint8Array.from(Buffer.from(base64, "base64"));

async function refuses(work, kind, what) {
  await assert.rejects(async () => work(), kind, what);
}

over(
  "merkle/inclusion.jsonl",
  "verdicts",
  async (records) => {
    assert.ok(records.length > 0);
    for (const { leafIdx, treeSize, leafHash, root, proof, wantErr, _src } of records) {
      const call = () =>
        tlog.verifyInclusion(BigInt(leafIdx), BigInt(treeSize), bytes(leafHash), (proof ?? []).map(bytes), bytes(root));
      if (wantErr) await refuses(call, tlog.InclusionError, _src);
      else await call();
    }
  },
  ["leafIdx", "treeSize"],
);

over(
  "merkle/consistency.jsonl",
  "verdicts",
  async (records) => {
    assert.ok(records.length > 0);
    for (const { size1, size2, root1, root2, proof, wantErr, _src } of records) {
      const call = () =>
        tlog.verifyConsistency(BigInt(size1), bytes(root1), BigInt(size2), bytes(root2), (proof ?? []).map(bytes));
      if (wantErr) await refuses(call, tlog.ConsistencyError, _src);
      else await call();
    }
  },
  ["size1", "size2"],
);

over("merkle/rfc6962_reference_tree.json", "hashes and roots", async (tree) => {
  const levels = tree.node_hashes_hex_by_level.map((level) => level.map((hex) => Uint8Array.from(Buffer.from(hex, "hex"))));
  for (const [at, hex] of tree.leaf_inputs_hex.entries()) {
    assert.deepEqual(await tlog.leafHash(Uint8Array.from(Buffer.from(hex, "hex"))), levels[0][at]);
  }
  for (const [size, root] of tree.root_hash_hex_by_size.entries()) {
    const computed = await tlog.rootAt(BigInt(size), async (level, index) => levels[level][Number(index)]);
    assert.equal(tlog.encodeHex(computed), root);
  }
});

over("notes/signed_notes.json", "verdicts", async (records) => {
  for (const record of records) {
    const data = record.note === null ? bytes(record.note_b64) : tlog.encodeText(record.note);
    const keys = await Promise.all(record.vkeys.map(tlog.parseVkey));
    if (record.valid) {
      const names = (await tlog.verifyNote(data, keys)).signers.map((signer) => signer.key.name);
      assert.deepEqual(names, record.verified ?? keys.map((key) => key.name), record.name);
    } else {
      await refuses(() => tlog.verifyNote(data, keys), tlog.TlogError, record.name);
    }
  }
});

over("notes/vkeys.json", "verdicts, and a key ID that is not the key's own", async (records) => {
  for (const { vkey, type, valid } of records) {
    const [name, keyId, ...rest] = vkey.split("+");
    const hash = await tlog.sha256(
      tlog.concat(tlog.encodeText(`${name}\n`), Uint8Array.from(Buffer.from(rest.join("+"), "base64"))),
    );
    if (!valid) await refuses(() => tlog.parseVkey(vkey), tlog.FormatError, vkey);
    else if (type === tlog.KeyType.ML_DSA_44 && tlog.encodeHex(hash.slice(0, 4)) !== keyId) {
      await refuses(() => tlog.parseVkey(vkey), tlog.KeyIdMismatch, vkey);
    } else {
      const key = await tlog.parseVkey(vkey);
      assert.deepEqual([key.type, tlog.formatVkey(key)], [type, vkey]);
    }
  }
});

over("notes/checkpoint_bodies.json", "verdicts", async (records) => {
  for (const record of records) {
    // Upstream takes any root length, and empty extension lines; tlog-checkpoint has neither.
    const root = record.body.split("\n")[2] ?? "";
    const isStrict = Buffer.from(root, "base64").length === 32 && !record.body.includes("\n\n");
    if (record.strict_valid ?? (record.lenient_parse_ok && isStrict)) await tlog.parseCheckpoint(record.body);
    else await refuses(() => tlog.parseCheckpoint(record.body), tlog.FormatError, record.name);
  }
});

over("proofs/tlog_proof_syntax.json", "verdicts", async (records) => {
  for (const { text, parse_ok, name } of records) {
    const data = tlog.encodeText(text);
    if (parse_ok) assert.deepEqual(tlog.formatProof(tlog.parseProof(data)), data, name);
    else await refuses(() => tlog.parseProof(data), tlog.FormatError, name);
  }
});

over("proofs/spicy.json", "proofs made by torchwood", async (records) => {
  for (const record of records) {
    const data = tlog.encodeText(record.tlog_proof);
    const key = await tlog.parseVkey(record.vkey);
    const entry = bytes(record.data_b64);
    await tlog.verifyProof(data, entry, [key], { origin: key.name });
    await refuses(() => tlog.verifyProof(data, tlog.concat(entry, entry), [key]), tlog.InclusionError);
    const proof = tlog.parseProof(data);
    await refuses(() => tlog.verifyProof({ ...proof, index: proof.index ^ 1n }, entry, [key]), tlog.InclusionError);
  }
});

over("policy/policies.json", "verdicts", async (records) => {
  for (const { policy, ok, n } of records) {
    if (!ok) {
      await refuses(() => tlog.parsePolicy(policy), tlog.FormatError, policy);
      continue;
    }
    const parsed = await tlog.parsePolicy(policy);
    if (parsed.quorum === "none") assert.deepEqual(tlog.checkQuorum(parsed, []), []);
    else assert.throws(() => tlog.checkQuorum(parsed, []), tlog.QuorumNotReached);
    const everybody = parsed.witnesses.map(({ cosigner }) => ({ key: cosigner, timestamp: 1n }));
    // A key under two names counts once: a group that needs both names would never be reached.
    const keys = new Set(parsed.witnesses.map(({ cosigner }) => tlog.encodeHex(cosigner.publicKey)));
    if (keys.size === everybody.length) tlog.checkQuorum(parsed, everybody);
    if (n !== null && n !== undefined) {
      assert.equal(parsed.groups.find((group) => group.name === parsed.quorum)?.threshold, BigInt(n), policy);
    }
  }
});

over("witness/exchanges.json", "Ed25519 cosignatures of running witnesses", async (record) => {
  const lines = record.witnesses.flatMap((witness) => witness.vkeys);
  const witnesses = await Promise.all(lines.map(tlog.parseVkey));
  const log = await tlog.parseVkey(record.log_vkey);
  const answered = record.exchanges.filter((exchange) => exchange.status === 200);
  assert.ok(answered.length > 0);
  for (const { request, response } of answered) {
    const note = tlog.encodeText(request.slice(request.indexOf("\n\n") + 2) + response);
    const opened = await tlog.openCheckpoint(note, [log, ...witnesses], { origin: record.origin });
    const known = opened.signers.length + opened.unchecked.length;
    assert.ok(known > 1, "a witness is among the signers, or the runtime cannot check its kind");
  }
});

over("real/rekor-v2-staging/alpha3-witnessed.json", "an entry of a log in production, with witnesses", async (record) => {
  const spki = bytes(record.log_public_key_spki_b64);
  const log = await tlog.makeVerifierKey(record.origin, tlog.KeyType.ED25519, spki.slice(-32));
  const witnesses = await Promise.all(record.witness_vkeys.map(tlog.parseVkey));
  const proof = {
    index: BigInt(record.index),
    path: record.inclusion_path_b64.map(bytes),
    checkpoint: tlog.encodeText(record.checkpoint),
    extra: new Uint8Array(0),
  };
  const entry = bytes(record.leaf_data_b64);
  const options = { origin: record.origin, require: "all" };
  const verified = await tlog.verifyProof(tlog.formatProof(proof), entry, [log, ...witnesses], options);
  assert.equal(verified.checkpoint.checkpoint.size, BigInt(record.tree_size));
  await refuses(() => tlog.openCheckpoint(proof.checkpoint, witnesses), tlog.NotSigned);
});

for (const name of ["tessera-upstream-15", "tessera-600"]) {
  test(`tiles/${name}: entries are proved from the tiles`, { skip: !existsSync(`${FOLDER}/tiles/${name}`) }, async () => {
    const folder = `${FOLDER}/tiles/${name}`;
    const read = (path) => new Uint8Array(readFileSync(`${folder}/${path}`));
    const fetch = async (path) => {
      if (!existsSync(`${folder}/${path}`)) throw new tlog.MissingResource(path);
      return read(path);
    };
    const key = await tlog.parseVkey(new TextDecoder().decode(read("log.vkey")).trim());
    const { checkpoint } = await tlog.openCheckpoint(read("checkpoint"), [key]);
    const tiles = new tlog.TileReader(fetch, checkpoint.size);
    for (let index = 0n; index < checkpoint.size; index += 7n) {
      const entry = await tlog.readEntry(fetch, index, checkpoint.size);
      const path = await tlog.inclusionProof(index, checkpoint.size, tiles.readHash);
      await tlog.verifyInclusion(index, checkpoint.size, await tlog.leafHash(entry), path, checkpoint.root);
    }
  });
}
