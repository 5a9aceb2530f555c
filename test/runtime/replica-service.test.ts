/** Who answers what, where the log of this replica says that it has no say: design §3, contract §2. */
import { describe, expect, it } from 'vitest';
import { DatabaseService, type DatabaseServiceOptions } from '../../src/runtime/replica-service.ts';

const members = ['n1', 'n2', 'n3'].map((name) => ({ name, role: 'voter', incarnation: 1, url: `http://${name}` }));

interface Situation {
  readonly serving?: boolean;
  readonly stopped?: boolean;
  readonly participation?: string;
  readonly master?: string | null;
  readonly drained?: readonly string[];
  readonly successor?: string | null;
  /** What the membership answers. */
  readonly changed?: object;
}

const drain = (): undefined => undefined;

/** Of n3. */
function service({ participation = 'voting', master = null, successor = null, changed, ...so }: Situation) {
  const { serving = false, stopped = false } = so;
  const configuration = { members, leaseMs: 500 };
  const core = {
    ...{ participation, configuration, lost: null, isSetAside: false, state: 'following', epoch: 4 },
    configurations: [{ from: 1, configuration }],
    ...{ master: () => master, handOverCandidate: () => successor, cellTimeMs: () => 0 },
    ...{ isCountedOn: true, ballot: { round: 1, name: 'n3', incarnation: 1 }, bad: [], isWhole: true, missingUpTo: 0 },
    ...{ leaseRemainingMs: () => 0, unheard: () => [] },
  };
  return new DatabaseService({
    self: 'n3#1',
    log: {
      core,
      isServing: () => serving,
      stopped,
      ...{ frozen: null, silent: false, catchUp: null, logChain: '' },
      drain,
    },
    database: { system: new Map(), sessionsDue: () => [], checksumHex: () => '' },
    clocks: { now: () => ({ monotonicMs: 0, wallMs: 0 }), schedule: () => ({ cancel: () => undefined }) },
    selfCheck: { close: () => undefined, status: () => null },
    host: {
      ...{
        removed: () => false,
        readOnly: () => false,
        warnings: () => [],
        peers: () => [],
        snapshotInstance: () => 0,
      },
      ...{ flushMs: () => ({ p50: 0, p99: 0 }), eventLoopLagMsP99: () => 0, uptimeMs: () => 0 },
    },
    membership: { change: async () => changed },
  } as unknown as DatabaseServiceOptions);
}

describe('a replica that was removed', () => {
  it('sends everybody to the master, stale reads too', () => {
    expect(service({ participation: 'removed', master: 'n1#1' }).serving()).toMatchObject({
      ...{ kind: 'redirect', url: 'http://n1', staleToo: true },
    });
  });

  it('refuses where it knows none: what it has is from before it went', () => {
    expect(service({ participation: 'removed' }).serving()).toMatchObject({
      kind: 'refused',
      code: 'PAXOS_NOT_SERVING',
    });
  });
});

describe('a master that is to remove itself', () => {
  const remove = { kind: 'remove', name: 'n3' } as const;
  const planned = {
    kind: 'done',
    report: { plan: { kind: 'change', configuration: { members: members.slice(0, 2) } } },
  };

  it('is refused where nobody can take over, as in a dry run', async () => {
    const refused = { kind: 'refused', code: 'PAXOS_NO_SUCCESSOR', message: expect.stringContaining('not drained') };
    for (const [dryRun, changed] of [
      [true, planned],
      [false, { kind: 'hand-over' }],
    ] as const) {
      const it = service({ serving: true, changed });
      expect(await it.changeMembers(remove, { dryRun, allowNoSpare: false })).toMatchObject(refused);
    }
  });

  it('is told what would change where somebody can', async () => {
    const it = service({ serving: true, changed: planned, successor: 'n1#1' });
    expect(await it.changeMembers(remove, { dryRun: true, allowNoSpare: false })).toBe(planned);
  });
});

describe('the status of a replica that stops', () => {
  it('says that it does not vote, and not that it has halted: who waits for it waits on', () => {
    expect(service({ stopped: true }).status()).toMatchObject({ role: 'replica', voting: false });
    expect(service({ stopped: true, participation: 'halted' }).status()).toMatchObject({ role: 'halted' });
    expect(service({}).status()).toMatchObject({ role: 'replica', voting: true });
  });
});
