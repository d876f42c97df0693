/**
 * Verify a C2SP transparency log with nothing but its public files and its verifier keys.
 *
 * No dependency: SHA-256, Ed25519 and, where the runtime has it, ML-DSA-44 come from WebCrypto. Holds no key and knows
 * no service. The names are those of the Python package `hallmark_tlog`.
 */
export * from "./bundles.js";
export * from "./canonical.js";
export * from "./checkpoint.js";
export * from "./cosignature.js";
export * from "./engine.js";
export * from "./errors.js";
export * from "./fetch.js";
export * from "./follow.js";
export * from "./merkle.js";
export * from "./note.js";
export * from "./policy.js";
export * from "./proof.js";
export * from "./prove.js";
export * from "./reader.js";
export * from "./tiles.js";
export * from "./verify.js";
export * from "./vkey.js";
