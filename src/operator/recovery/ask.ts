/** One member's part in making a new generation, over plain HTTP: a cell that serves nobody has no master to ask. */
import { request } from 'undici';
import { errorFromProblem, problemFrom, UnreachableError } from '../../errors/index.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { RecoverAnswer, RecoverReport, RecoverRequest } from '../../formats/recovery.ts';
import { getJson } from '../replica-http.ts';

const path = '/v1/recover';
const statusMsMax = 2_000;

/** Null when it does not answer, or cannot yet. */
export async function askReport(url: string, timeoutMs: number): Promise<RecoverReport | null> {
  try {
    const { statusCode, body } = await request(`${url}${path}`, { headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
    const document = await body.json();
    return statusCode === 200 ? (document as RecoverReport) : null;
  } catch {
    return null;
  }
}

/** Null when it does not answer. */
export const getStatus = (url: string, timeoutMs: number): Promise<ReplicaStatusDocument | null> =>
  getJson(`${url}/v1/status`, Math.min(timeoutMs, statusMsMax)).then(
    (document) => document as ReplicaStatusDocument,
    () => null,
  );

/** @throws {OperatorError} of the member's refusal; {UnreachableError} (exit 3) when it does not answer. */
export async function askStep(url: string, step: RecoverRequest, timeoutMs: number): Promise<RecoverAnswer> {
  const { statusCode, document } = await posted(url, step, timeoutMs).catch((error: Error) => {
    throw new UnreachableError(`The member at ${url} does not answer: ${error.message || error.name}.`, {
      facts: { url, step: step.op },
      cause: error,
    });
  });
  if (statusCode !== 200) throw errorFromProblem(problemFrom(statusCode, document));
  return document as RecoverAnswer;
}

async function posted(url: string, step: RecoverRequest, timeoutMs: number) {
  const { statusCode, body } = await request(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(step),
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  });
  return { statusCode, document: await body.json() };
}
