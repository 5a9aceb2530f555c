/** The steps of a new generation as a program asks them: a cell is not left fenced because one member did not answer (design §3). */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { AttemptDocument, RecoverReport, RecoverRequest } from '../../src/formats/recovery.ts';
import { decide } from '../../src/operator/recovery/decide.ts';
import { Steps } from '../../src/operator/recovery/steps.ts';
import { report } from '../support/recover-report.ts';

const to = { generation: 2, generationId: 'ab'.repeat(16) };

/** A member that does what it is told, or refuses one step. */
class FakeMember {
  readonly name: string;
  readonly asked: string[] = [];
  readonly refuses: string;
  attempt: AttemptDocument | null = null;
  #server: Server | null = null;

  constructor(name: string, refuses = '') {
    this.name = name;
    this.refuses = refuses;
  }

  report(): RecoverReport {
    return report(this.name, 40, { attempt: this.attempt });
  }

  get url(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    return `http://127.0.0.1:${address?.port ?? 1}`;
  }

  async listen(): Promise<this> {
    const server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const step = text === '' ? null : (JSON.parse(text) as RecoverRequest);
      if (step !== null) this.asked.push(step.op);
      if (step !== null && step.op === this.refuses) {
        response.writeHead(422, { 'content-type': 'application/problem+json' });
        const detail = 'the disk is full';
        response.end(
          JSON.stringify({ type: '', title: '', status: 422, detail, code: 'PAXOS_REFUSED', outcome: 'none' }),
        );
        return;
      }
      if (step?.op === 'fence') this.attempt = { ...to, step: 'fenced', decision: '', state: null, before: null };
      if (step?.op === 'lift') this.attempt = null;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(step === null ? this.report() : { report: this.report(), state: null, offered: 0 }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    return this;
  }

  close(): Promise<unknown> {
    this.#server?.closeAllConnections();
    return new Promise((resolve) => (this.#server === null ? resolve(null) : this.#server.close(resolve)));
  }
}

let members: FakeMember[] = [];
afterEach(async () => {
  await Promise.all(members.map((it) => it.close()));
  members = [];
});

async function stepsOf(...list: FakeMember[]): Promise<Steps> {
  members = await Promise.all(list.map((it) => it.listen()));
  return new Steps({
    to,
    members: members.map(({ name, url }) => ({ name, url })),
    cell: { id: 'cell-1', name: 'default' },
    timeoutMs: 2_000,
    again: 'paxosctl recover apply PLAN',
    onStep: () => undefined,
  });
}

describe('while nobody is ready', () => {
  it('a member that does not answer leaves no other fenced, and the command to run again is told', async () => {
    const [n1, n2, n3] = [new FakeMember('n1'), new FakeMember('n2'), new FakeMember('n3')];
    const steps = await stepsOf(n1, n2, n3);
    const reports = await steps.reports();
    await n2.close();
    await expect(steps.fence(reports)).rejects.toMatchObject({
      code: 'PAXOS_UNREACHABLE',
      exitCode: 3,
      suggestions: expect.arrayContaining(['paxosctl recover apply PLAN']),
    });
    expect([n1.attempt, n3.attempt]).toEqual([null, null]);
    expect([n1.asked, n3.asked]).toEqual([
      ['fence', 'lift'],
      ['fence', 'lift'],
    ]);
  });

  it('a state that could not be made leaves nobody fenced', async () => {
    const [n1, n2] = [new FakeMember('n1', 'build'), new FakeMember('n2')];
    const steps = await stepsOf(n1, n2);
    const fenced = await steps.fence(await steps.reports());
    const decided = decide({ to, reports: fenced, witnessed: [], branch: null });
    expect(decided.decision.base).toBe('n1');
    await expect(steps.carryOut(decided, null)).rejects.toMatchObject({ code: 'PAXOS_REFUSED' });
    expect([n1.attempt, n2.attempt]).toEqual([null, null]);
  });

  it('nobody is let go when one is ready: the members go on by themselves', async () => {
    const [n1, n2] = [new FakeMember('n1', 'build'), new FakeMember('n2')];
    const steps = await stepsOf(n1, n2);
    const decided = decide({ to, reports: await steps.fence(await steps.reports()), witnessed: [], branch: null });
    const state = { instance: 2 ** 40, bytes: 1, sha256: '' };
    n2.attempt = { ...to, step: 'ready', decision: 'x', state, before: null };
    await expect(steps.carryOut(decided, null)).rejects.toMatchObject({ code: 'PAXOS_REFUSED' });
    expect(n1.attempt?.step).toBe('fenced');
  });
});
