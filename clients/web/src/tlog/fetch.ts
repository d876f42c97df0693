/** Reading a log's public files over HTTP, in the browser and in Node. */

import type { Bytes } from "./canonical.js";
import { concat } from "./canonical.js";
import { FetchError, MissingResource } from "./errors.js";

/**
 * `fetch(path, maxBytes)` answers a file's bytes, at most `maxBytes`; paths are below the log's prefix. Throws
 * MissingResource if the log has no such file, FetchError if it cannot be read now.
 */
export type Fetch = (path: string, maxBytes: number) => Promise<Bytes>;

/** Reads below a URL prefix. Redirects are refused: give the final prefix. `timeoutSeconds` bounds one file. */
export function httpFetcher(prefix: string | URL, { timeoutSeconds = 60 }: { timeoutSeconds?: number } = {}): Fetch {
  const base = prefix.toString().replace(/\/+$/, "");
  return async (path, maxBytes) => {
    try {
      const signal = AbortSignal.timeout(timeoutSeconds * 1000);
      // Tiles never change. Of anything else a server that says nothing of caches would have the browser keep an old one.
      const cache = path.startsWith("tile/") ? "default" : "no-cache";
      const response = await fetch(`${base}/${path}`, { redirect: "error", credentials: "omit", cache, signal });
      if (response.status === 404 || response.status === 410) throw new MissingResource(path);
      if (response.status !== 200) throw new FetchError(path, `the server answered ${response.status}`);
      return await readBounded(path, response, maxBytes);
    } catch (error) {
      if (error instanceof FetchError) throw error;
      throw new FetchError(path, `the server cannot be read: ${(error as Error).message}`);
    }
  };
}

async function readBounded(path: string, response: Response, maxBytes: number): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    length += next.value.length;
    if (length > maxBytes) {
      await reader?.cancel();
      throw new FetchError(path, `is larger than the ${maxBytes} bytes it can have`);
    }
    parts.push(next.value);
  }
  return concat(...parts);
}
