/**
 * tlog-policy: which logs are accepted, which witnesses are known, and how many of them must have cosigned.
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> <k>|all|any <member>...
 *     quorum <name>|none
 *
 * One declaration a line, items divided by spaces and tabs, names declared before they are used (C2SP tlog-policy). A
 * line or an item that begins with `#` begins a comment. Each name is a member of at most one group, and a public key
 * that is listed under two names counts under the first only, so one witness never counts twice.
 */

import { decodeDecimal, encodeHex } from "./canonical.js";
import { FormatError, QuorumNotReached } from "./errors.js";
import type { Signer } from "./verify.js";
import { KeyType, type VerifierKey, formatVkey, makeVerifierKey, parseVkey } from "./vkey.js";

const NONE = "none";
const RESERVED_NAMES: readonly string[] = [NONE, "all", "any"];
const WITNESS_TYPES: readonly number[] = [KeyType.ED25519, KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44];
const MAX_POLICY_CHARACTERS = 1_000_000;
/** Of each kind; the specification asks for at least 32. */
const MAX_DECLARATIONS = 1_024;
const FORBIDDEN = /[\x00-\x08\x0b-\x1f\x7f]|\p{Surrogate}/u;

/** `cosigner` is the key as it cosigns: policies also list Ed25519 witnesses with type 0x01, but they sign with 0x04. */
export interface Witness {
  readonly name: string;
  readonly cosigner: VerifierKey;
}

/** Has witnessed a checkpoint when at least `threshold` of its members (witnesses, groups) have. */
export interface Group {
  readonly name: string;
  readonly threshold: bigint;
  readonly members: readonly string[];
}

/** `quorum` "none" asks for no witness. */
export interface Policy {
  readonly logs: readonly VerifierKey[];
  readonly witnesses: readonly Witness[];
  readonly groups: readonly Group[];
  readonly quorum: string;
}

/** Reads a policy file. Throws FormatError. */
export async function parsePolicy(text: string): Promise<Policy> {
  if (text.length > MAX_POLICY_CHARACTERS) {
    throw new FormatError(`a policy is larger than ${MAX_POLICY_CHARACTERS} characters`);
  }
  if (FORBIDDEN.test(text)) throw new FormatError("a policy has a control character other than tab and newline");
  const draft = new Draft();
  for (const [at, line] of text.split("\n").entries()) {
    try {
      await draft.read(itemsOf(line));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new FormatError(`line ${at + 1} of the policy: ${error.message}`);
    }
  }
  return draft.finish();
}

/** Every key whose lines in a note are of interest. */
export function policyKeys(policy: Policy): VerifierKey[] {
  const keys = [...policy.logs, ...policy.witnesses.map((witness) => witness.cosigner)];
  return [...new Map(keys.map((key) => [formatVkey(key), key])).values()];
}

/** The names, in the policy, of the witnesses that count. Throws QuorumNotReached. */
export function checkQuorum(policy: Policy, signers: readonly Signer[]): string[] {
  const counted = countedWitnesses(policy, signers);
  if (policy.quorum === NONE) return counted;
  const witnessed = new Set(counted);
  // Groups refer backwards only: one pass decides them all, nested ones too.
  for (const { name, threshold, members } of policy.groups) {
    if (BigInt(members.filter((member) => witnessed.has(member)).length) >= threshold) witnessed.add(name);
  }
  if (!witnessed.has(policy.quorum)) {
    const names = counted.join(", ") || "none";
    throw new QuorumNotReached(`the quorum ${policy.quorum} is not reached: witnesses that cosigned are ${names}`);
  }
  return counted;
}

function countedWitnesses(policy: Policy, signers: readonly Signer[]): string[] {
  // tlog-cosignature: time 0 makes no statement on what else the cosigner saw, so it is not witnessing.
  const cosigned = new Set(signers.filter((signer) => signer.timestamp).map((signer) => formatVkey(signer.key)));
  const listed = new Set<string>();
  const counted: string[] = [];
  for (const { name, cosigner } of policy.witnesses) {
    const publicKey = encodeHex(cosigner.publicKey);
    if (cosigned.has(formatVkey(cosigner)) && !listed.has(publicKey)) counted.push(name);
    listed.add(publicKey);
  }
  return counted;
}

/** The declarations read so far. */
class Draft {
  readonly #logs: VerifierKey[] = [];
  readonly #witnesses: Witness[] = [];
  readonly #groups: Group[] = [];
  readonly #names = new Set<string>();
  readonly #members = new Set<string>();
  #quorum: string | null = null;

  async read([kind, ...rest]: string[]): Promise<void> {
    const [first = "", second = ""] = rest;
    if (kind === undefined) return;
    if (kind === "log" && (rest.length === 1 || rest.length === 2)) await this.#log(first);
    else if (kind === "witness" && (rest.length === 2 || rest.length === 3)) await this.#witness(first, second);
    else if (kind === "group" && rest.length >= 3) this.#group(first, second, rest.slice(2));
    else if (kind === "quorum" && rest.length === 1 && this.#quorum === null) {
      if (first !== NONE) this.#known(first);
      this.#quorum = first;
    } else throw new FormatError("not a declaration, or a second quorum");
  }

  finish(): Policy {
    if (this.#quorum === null) throw new FormatError("a policy has exactly one quorum line, this one has none");
    if (Math.max(this.#logs.length, this.#names.size) > MAX_DECLARATIONS) {
      throw new FormatError(`a policy has more than ${MAX_DECLARATIONS} declarations of a kind`);
    }
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum: this.#quorum };
  }

  async #log(vkey: string): Promise<void> {
    const key = await parseVkey(vkey);
    if (key.type === KeyType.ED25519_COSIGNATURE) throw new FormatError(`the key of ${key.name} is for cosignatures`);
    if (this.#logs.some((other) => encodeHex(other.publicKey) === encodeHex(key.publicKey))) {
      throw new FormatError("a policy lists the public key of a log twice");
    }
    this.#logs.push(key);
  }

  async #witness(name: string, vkey: string): Promise<void> {
    const key = await parseVkey(vkey);
    if (!WITNESS_TYPES.includes(key.type)) throw new FormatError(`the key of ${name} is not of a type that cosigns`);
    const isPlain = key.type === KeyType.ED25519;
    const cosigner = isPlain ? await makeVerifierKey(key.name, KeyType.ED25519_COSIGNATURE, key.publicKey) : key;
    this.#declare(name);
    this.#witnesses.push({ name, cosigner });
  }

  #group(name: string, thresholdText: string, members: readonly string[]): void {
    for (const member of members) {
      this.#known(member);
      if (this.#members.has(member)) throw new FormatError("a policy has a name as a member of groups twice");
      this.#members.add(member);
    }
    const threshold =
      thresholdText === "all"
        ? BigInt(members.length)
        : thresholdText === "any"
          ? 1n
          : decodeDecimal(thresholdText, "the threshold of a group");
    if (threshold < 1n || threshold > BigInt(members.length)) {
      throw new FormatError(`the threshold of group ${name} is 1 to the number of its members`);
    }
    this.#declare(name);
    this.#groups.push({ name, threshold, members });
  }

  #declare(name: string): void {
    if (RESERVED_NAMES.includes(name)) throw new FormatError(`${name} is a keyword, not a name`);
    if (this.#names.has(name)) throw new FormatError("a policy declares a name twice");
    this.#names.add(name);
  }

  #known(name: string): void {
    if (!this.#names.has(name)) throw new FormatError(`${name} is not declared before it is used`);
  }
}

function itemsOf(line: string): string[] {
  const items = line.split(/[ \t]+/).filter(Boolean);
  const comment = items.findIndex((item) => item.startsWith("#"));
  return comment < 0 ? items : items.slice(0, comment);
}
