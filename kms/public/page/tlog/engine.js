/** Where signatures are verified: by the browser or Node itself (WebCrypto), or by what the caller hands in. */
/** Raw public keys as each algorithm's WebCrypto text names them; "raw-public" is of Modern Algorithms (WICG). */
const RAW_FORMAT = { Ed25519: "raw", "ML-DSA-44": "raw-public" };
/** Pure Ed25519 (RFC 8032) and pure ML-DSA-44 with an empty context (FIPS 204), as far as the runtime has them. */
export const webCrypto = async (algorithm, publicKey, message, signature) => {
    let key;
    try {
        const format = RAW_FORMAT[algorithm]; // the type library does not know "raw-public"
        key = await crypto.subtle.importKey(format, publicKey, algorithm, false, ["verify"]);
    }
    catch (error) {
        // DataError: the algorithm is there and these bytes are no key. Anything else: it is not there.
        return error.name === "DataError" ? false : null;
    }
    return crypto.subtle.verify(algorithm, key, signature, message);
};
/**
 * WebCrypto, and for a runtime without ML-DSA-44 the given function, such as
 * `(key, message, signature) => ml_dsa44.verify(signature, message, key)` of `@noble/post-quantum`.
 */
export function withMlDsa44(verify) {
    return async (algorithm, publicKey, message, signature) => {
        const answer = await webCrypto(algorithm, publicKey, message, signature);
        return answer === null && algorithm === "ML-DSA-44" ? verify(publicKey, message, signature) : answer;
    };
}
