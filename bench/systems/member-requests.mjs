/** What benchmarks ask of one member of a cell of `paxosctl` beside the load. */
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 50;
const urlOf = ({ host, port }) => `http://${host}:${port}`;

export const statusOf = async (member) => (await fetch(`${urlOf(member)}/v1/status`)).json();

/** @throws {Error} when it was refused. */
export async function post(member, route, body = {}) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${urlOf(member)}${route}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const document = await answer.json();
  if (!answer.ok) throw new Error(`${route}: ${document.code} ${document.detail}`);
  return document;
}

/** Of the member's own database and files; resolves when it has ended. */
export async function deepCheck(member) {
  const { instance } = await post(member, '/v1/checksums', { deep: true });
  for (;;) {
    const answer = await fetch(`${urlOf(member)}/v1/checksums?instance=${instance}`);
    const { state } = await answer.json();
    if (state !== 'running' && state !== 'pending' && state !== 'none') return;
    await sleep(pollMs);
  }
}
