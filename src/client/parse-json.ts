/** A JSON body, or null for one that is none: what came from a proxy is no answer of a replica. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}
