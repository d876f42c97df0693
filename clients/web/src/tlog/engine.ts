/** Where signatures are verified: by the browser or Node itself (WebCrypto), or by what the caller hands in. */

import type { Bytes } from "./canonical.js";

export type Algorithm = "Ed25519" | "ML-DSA-44";

/** True: the signature holds. False: it does not. Null: this engine does not know the algorithm, so nothing was checked. */
export type Engine = (
  algorithm: Algorithm,
  publicKey: Bytes,
  message: Bytes,
  signature: Bytes,
) => Promise<boolean | null>;

/** Raw public keys as each algorithm's WebCrypto text names them; "raw-public" is of Modern Algorithms (WICG). */
const RAW_FORMAT = { Ed25519: "raw", "ML-DSA-44": "raw-public" } as const;

/** Pure Ed25519 (RFC 8032) and pure ML-DSA-44 with an empty context (FIPS 204), as far as the runtime has them. */
export const webCrypto: Engine = async (algorithm, publicKey, message, signature) => {
  let key: CryptoKey;
  try {
    const format = RAW_FORMAT[algorithm] as "raw"; // the type library does not know "raw-public"
    key = await crypto.subtle.importKey(format, publicKey, algorithm, false, ["verify"]);
  } catch (error) {
    // DataError: the algorithm is there and these bytes are no key. Anything else: it is not there.
    return (error as Error).name === "DataError" ? false : null;
  }
  return crypto.subtle.verify(algorithm, key, signature, message);
};

/**
 * WebCrypto, and for a runtime without ML-DSA-44 the given function, such as
 * `(key, message, signature) => ml_dsa44.verify(signature, message, key)` of `@noble/post-quantum`.
 */
export function withMlDsa44(verify: (publicKey: Bytes, message: Bytes, signature: Bytes) => boolean): Engine {
  return async (algorithm, publicKey, message, signature) => {
    const answer = await webCrypto(algorithm, publicKey, message, signature);
    return answer === null && algorithm === "ML-DSA-44" ? verify(publicKey, message, signature) : answer;
  };
}
