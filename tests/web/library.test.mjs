// The library on trees and notes made here: every proof of small trees, and what altered bytes lead to.
// Run by test_library.py: TLOG_LIBRARY names the compiled index.js, TLOG_LOG a folder with a small signed log.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const tlog = await import(process.env.TLOG_LIBRARY);
const LOG = process.env.TLOG_LOG;
const SIZE_MAX = 33;

const leaves = await Promise.all(Array.from({ length: 300 }, (_, at) => tlog.leafHash(Uint8Array.of(at & 255, at >> 8))));

/** RFC 6962 section 2.1, word by word: another way to the root than the library's. */
async function merkleTreeHash(hashes) {
  if (hashes.length === 0) return tlog.sha256(new Uint8Array(0));
  if (hashes.length === 1) return hashes[0];
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return tlog.nodeHash(await merkleTreeHash(hashes.slice(0, split)), await merkleTreeHash(hashes.slice(split)));
}

const readHash = (level, index) => {
  const width = 2 ** level;
  const start = Number(index) * width;
  assert.ok(start + width <= leaves.length);
  return merkleTreeHash(leaves.slice(start, start + width));
};

const roots = await Promise.all(Array.from({ length: SIZE_MAX + 1 }, (_, size) => merkleTreeHash(leaves.slice(0, size))));

function flipped(data, at, bit = 1) {
  const copy = Uint8Array.from(data);
  copy[at] ^= bit;
  return copy;
}

function fileFetch(altered = {}) {
  return async (path, maxBytes) => {
    try {
      const data = new Uint8Array(altered[path] ?? readFileSync(`${LOG}/${path}`));
      assert.ok(data.length <= maxBytes, path);
      return data;
    } catch (error) {
      throw error.code === "ENOENT" ? new tlog.MissingResource(path) : error;
    }
  };
}

const read = (path) => new Uint8Array(readFileSync(`${LOG}/${path}`));
const vkeys = await Promise.all(
  new TextDecoder().decode(read("verifier-keys")).trim().split("\n").map(tlog.parseVkey),
);

test("every inclusion proof of small trees holds, and no altered one", async () => {
  for (let size = 1; size <= SIZE_MAX; size++) {
    for (let index = 0; index < size; index++) {
      const [i, n] = [BigInt(index), BigInt(size)];
      const proof = await tlog.inclusionProof(i, n, readHash);
      await tlog.verifyInclusion(i, n, leaves[index], proof, roots[size]);
      const other = [leaves[299], ...proof.slice(1)];
      await assert.rejects(tlog.verifyInclusion(i, n, leaves[index], other, roots[size]), tlog.InclusionError);
      await assert.rejects(tlog.verifyInclusion(i, n, leaves[index], [...proof, roots[1]], roots[size]), tlog.InclusionError);
      await assert.rejects(tlog.verifyInclusion(i, n, leaves[299], proof, roots[size]), tlog.InclusionError);
    }
  }
});

test("every consistency proof of small trees holds, and no altered one", async () => {
  for (let size = 0; size <= SIZE_MAX; size++) {
    for (let old = 0; old <= size; old++) {
      const [m, n] = [BigInt(old), BigInt(size)];
      const proof = await tlog.consistencyProof(m, n, readHash);
      await tlog.verifyConsistency(m, roots[old], n, roots[size], proof);
      await assert.rejects(tlog.verifyConsistency(m, roots[old], n, roots[size], [...proof, leaves[0]]), tlog.ConsistencyError);
      if (old > 0) {
        await assert.rejects(tlog.verifyConsistency(m, leaves[299], n, roots[size], proof), tlog.ConsistencyError);
        await assert.rejects(tlog.verifyConsistency(m, roots[old], n, leaves[299], proof), tlog.ConsistencyError);
      }
    }
  }
});

test("tile paths", () => {
  const path = (level, index, width) => tlog.tilePath({ level, index, width });
  assert.equal(path(0, 1234067n, 256), "tile/0/x001/x234/067");
  assert.equal(path(2, 5n, 1), "tile/2/005.p/1");
  assert.equal(path("entries", 1000n, 256), "tile/entries/x001/000");
  assert.deepEqual(tlog.tileAt(0, 273n, 70_000n).width, 112);
  assert.deepEqual(tlog.tileAt(2, 0n, 70_000n).width, 1);
  assert.throws(() => tlog.tileAt(0, 274n, 70_000n), tlog.FormatError);
});

test("a log in a folder: entries, proofs, older sizes by way of full tiles", async () => {
  const opened = await tlog.openCheckpoint(read("checkpoint"), vkeys, { origin: vkeys[0].name });
  const { size, root } = opened.checkpoint;
  assert.ok(opened.signers.some((signer) => signer.key.type === tlog.KeyType.ED25519));
  const tiles = new tlog.TileReader(fileFetch(), size);
  assert.deepEqual(await tlog.rootAt(size, tiles.readHash), root);
  for (const index of [0n, 255n, 256n, size / 2n, size - 1n]) {
    const entry = await tlog.readEntry(fileFetch(), index, size);
    const path = await tlog.inclusionProof(index, size, tiles.readHash);
    const proof = { index, path, checkpoint: read("checkpoint"), extra: Uint8Array.of(7) };
    const file = tlog.formatProof(proof);
    assert.deepEqual(tlog.parseProof(file), proof);
    assert.equal((await tlog.verifyProof(file, entry, vkeys)).index, index);
    await assert.rejects(tlog.verifyProof(file, flipped(entry, 3), vkeys), tlog.InclusionError);
  }
  // No file `tile/0/000.p/9` is there: the full tile stands in for it.
  const early = new tlog.TileReader(fileFetch(), 9n);
  const before = { ...opened.checkpoint, size: 9n, root: await tlog.rootAt(9n, early.readHash) };
  await tlog.proveExtends(before, opened.checkpoint, tiles);
});

test("rollback, fork, another log and altered tiles are told apart", async () => {
  const { checkpoint } = await tlog.openCheckpoint(read("checkpoint"), vkeys);
  const tiles = () => new tlog.TileReader(fileFetch(), checkpoint.size);
  const wrong = leaves[0];
  const at = async (size) => ({ ...checkpoint, size, root: await tlog.rootAt(size, tiles().readHash) });
  await tlog.proveExtends(checkpoint, checkpoint, tiles());
  await assert.rejects(tlog.proveExtends({ ...checkpoint, root: wrong }, checkpoint, tiles()), tlog.ForkError);
  await assert.rejects(tlog.proveExtends({ ...checkpoint, size: checkpoint.size + 1n }, checkpoint, tiles()), tlog.RollbackError);
  await assert.rejects(tlog.proveExtends({ ...checkpoint, origin: "x" }, checkpoint, tiles()), tlog.OriginMismatch);
  for (const size of [1n, 8n, 100n, 256n, 257n]) {
    await tlog.proveExtends(await at(size), checkpoint, tiles());
    await assert.rejects(tlog.proveExtends({ ...(await at(size)), root: wrong }, checkpoint, tiles()), tlog.ForkError);
  }
  const altered = new tlog.TileReader(fileFetch({ "tile/0/000": flipped(read("tile/0/000"), 40) }), checkpoint.size);
  await assert.rejects(tlog.proveExtends(await at(8n), checkpoint, altered), tlog.TamperedError);
  const short = new tlog.TileReader(fileFetch({ "tile/0/000": read("tile/0/000").slice(1) }), checkpoint.size);
  await assert.rejects(tlog.proveExtends(await at(8n), checkpoint, short), tlog.TamperedError);
});

test("no flipped bit of a signed checkpoint is accepted by its Ed25519 key", async () => {
  // The two other lines go, so that every byte that is left is either signed, or part of the signature or its framing.
  const note = new TextDecoder().decode(read("checkpoint")).split("\n").slice(0, 5).join("\n") + "\n";
  const data = tlog.encodeText(note);
  await tlog.openCheckpoint(data, vkeys);
  for (let at = 0; at < data.length; at++) {
    for (const bit of [1, 32, 128]) {
      await assert.rejects(tlog.openCheckpoint(flipped(data, at, bit), vkeys), tlog.TlogError, `byte ${at}, bit ${bit}`);
    }
  }
});

test("any bytes are refused with an error of the library", async () => {
  let state = 12345;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
  const pieces = [..."\n\n— +/=0123456789abc \u0000\ud800", "c2sp.org/tlog-proof@v1\n", "index ", "extra ", "quorum none\n"];
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: random() % 20 }, () => pieces[random() % pieces.length]).join("");
    const data = random() % 2 ? tlog.encodeText(text) : Uint8Array.from({ length: random() % 40 }, random);
    for (const parse of [
      () => tlog.parseNote(data),
      () => tlog.parseProof(data),
      () => tlog.parseBundle(data, 3),
      () => tlog.parseVkey(text),
      () => tlog.parseCheckpoint(text),
      () => tlog.parsePolicy(text),
    ]) {
      try {
        await parse();
      } catch (error) {
        assert.ok(error instanceof tlog.TlogError, `${error.stack} for ${JSON.stringify(text)}`);
      }
    }
  }
});

test("one value has one spelling", () => {
  for (const text of ["+1", "01", "1_0", "1e3", " 1", "1n", "٣", "", "9223372036854775808"]) {
    assert.throws(() => tlog.decodeDecimal(text, "x"), tlog.FormatError, text);
  }
  assert.equal(tlog.decodeDecimal("9223372036854775807", "x"), 2n ** 63n - 1n);
  for (const text of ["QQ", "QQ=", "QR==", "Q Q==", "QQ==\n", "QQ-_", "===="]) {
    assert.throws(() => tlog.decodeBase64(text, "x"), tlog.FormatError, text);
  }
});

test("a key that cannot be checked here is neither trusted nor held against the log", async () => {
  const none = async () => null;
  await assert.rejects(tlog.openCheckpoint(read("checkpoint"), vkeys, { engine: none }), tlog.NotSigned);
  const onlyEd25519 = (algorithm, ...rest) => (algorithm === "Ed25519" ? tlog.webCrypto(algorithm, ...rest) : none());
  const opened = await tlog.openCheckpoint(read("checkpoint"), vkeys, { engine: onlyEd25519 });
  assert.deepEqual(opened.unchecked.map((key) => key.type), [tlog.KeyType.ML_DSA_44]);
  await assert.rejects(
    tlog.openCheckpoint(read("checkpoint"), vkeys, { engine: onlyEd25519, require: "all" }),
    tlog.NotSigned,
  );
  let asked = 0;
  const mine = tlog.withMlDsa44((publicKey, message, signature) => {
    asked++;
    assert.deepEqual([publicKey.length, signature.length], [1312, 2420]);
    assert.ok(new TextDecoder().decode(message).startsWith("subtree/v1\n\0"));
    return false;
  });
  const hasMlDsa = (await tlog.openCheckpoint(read("checkpoint"), vkeys)).unchecked.length === 0;
  if (!hasMlDsa) {
    await assert.rejects(tlog.openCheckpoint(read("checkpoint"), vkeys, { engine: mine }), tlog.BadSignature);
    assert.equal(asked, 1);
  }
});
