/** An upgrade and a change of its members never overlap: each is refused while the other is on its way (design §6). */
import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/core/database/command.ts';
import type { WriteOutcome } from '../../src/runtime/http/service.ts';
import { openUpgradeOf } from '../../src/runtime/open-upgrade.ts';
import { DatabaseService, type DatabaseServiceOptions } from '../../src/runtime/replica-service.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const entriesOf = (texts: Readonly<Record<string, string>>) =>
  new Map(Object.entries(texts).map(([key, text]) => [key, { value: bytes(text), instance: 1 }]));

const opening: Command = {
  ...{ kind: 'system', guard: [], ifEpoch: null },
  writes: [{ key: 'upgrade/current', value: bytes('u-1') }],
};

/** The service of a master whose log keeps what it is given until the test lets it through. */
function master(isChanging: boolean, texts: Readonly<Record<string, string>> = {}) {
  const waiting: ((outcome: object) => void)[] = [];
  const now = { monotonicMs: 0, wallMs: 0 };
  const core = { cellTimeMs: () => 0, master: () => null, configuration: { leaseMs: 500 } };
  const service = new DatabaseService({
    self: 'n1#1',
    log: { core, submit: (_: Uint8Array, done: (outcome: object) => void) => void waiting.push(done) },
    database: { system: entriesOf(texts), level: 1 },
    clocks: { now: () => now, schedule: () => ({ cancel: () => undefined }) },
    host: { readOnly: () => false },
    membership: { isChanging },
  } as unknown as DatabaseServiceOptions);
  return { service, waiting };
}

describe('an upgrade that begins', () => {
  it('is refused while a change of the members is on its way, with nothing proposed', () => {
    const { service, waiting } = master(true);
    const outcomes: WriteOutcome[] = [];
    service.submit(opening, (outcome) => outcomes.push(outcome));
    expect(outcomes).toMatchObject([{ kind: 'none', reason: 'membership-changing' }]);
    expect(waiting).toHaveLength(0);
  });

  it('counts as open from the step in which it is proposed until its fate is known', () => {
    const { service, waiting } = master(false);
    expect(service.openUpgrade()).toBeNull();
    service.submit(opening, () => undefined);
    expect(service.openUpgrade()).toMatchObject({ attempt: 'u-1' });
    waiting[0]?.({ kind: 'none', reason: 'not-master' });
    expect(service.openUpgrade()).toBeNull();
  });

  it('is gone on with whatever becomes of its members: only beginning one is refused', () => {
    const { service, waiting } = master(true, { 'upgrade/current': 'u-1' });
    service.submit(opening, () => undefined);
    expect(waiting).toHaveLength(1);
  });
});

describe('what the cell tells of its upgrade', () => {
  const journal = JSON.stringify({ attempt: 'u-1', state: 'stopped', from: '1', to: '2', startedBy: 'alice' });
  const claim = JSON.stringify({ attempt: 'u-1', driver: 'bob, process 3', nonce: 'x' });
  const open = { 'upgrade/current': 'u-1', 'upgrade/attempt/u-1': journal };

  it('is who began it, and who drives it as long as that was said a moment ago', () => {
    const driven = entriesOf({ ...open, 'upgrade/claim': claim, 'upgrade/renewed': '5000' });
    expect(openUpgradeOf(driven, 14_999)).toMatchObject({ startedBy: 'alice', driver: 'bob, process 3' });
    expect(openUpgradeOf(driven, 15_000)).toMatchObject({ state: 'stopped', driver: null });
    expect(openUpgradeOf(entriesOf(open), 0)).toMatchObject({ driver: null });
    expect(openUpgradeOf(entriesOf({ 'upgrade/attempt/u-1': journal }), 0)).toBeNull();
  });

  it('is that it is open, also where nothing of it can be read', () => {
    for (const broken of ['{', 'null', '7', '{"state":3}']) {
      const entries = entriesOf({ ...open, 'upgrade/attempt/u-1': broken, 'upgrade/claim': broken });
      expect(openUpgradeOf(entries, 0)).toMatchObject({ attempt: 'u-1', state: 'unknown', driver: null });
    }
  });
});
