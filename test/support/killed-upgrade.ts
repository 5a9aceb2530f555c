/**
 * The world of an upgrade whose driver is killed at one of its steps: before something that it does, after it, or while a restart is
 * under way. What it only looks at is no step.
 */
import type { UpgradeWriteBody } from '../../src/formats/upgrade-body.ts';
import type { Attempt } from '../../src/operator/upgrade/journal.ts';
import type { UpgradeWorld } from '../../src/operator/upgrade/world.ts';

/** After so long a restart is under way: COMMAND runs, and the old process may or may not have ended. */
const underWayMs = 60;
/** Of the time after which a claim lapses: an operator waits it out before typing the next command. */
const waitedMs = 9_000;

/** `onPlace` is told each place where a driver can be killed, in order, numbered among those of its name. */
export function killedWorld(world: UpgradeWorld, onPlace: (place: string) => void): UpgradeWorld {
  const passed = new Map<string, number>();
  const pass = (name: string): void => {
    const count = (passed.get(name) ?? 0) + 1;
    passed.set(name, count);
    onPlace(`${name} (${count})`);
  };
  const around = async <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
    pass(`before ${name}`);
    const result = await work();
    pass(`after ${name}`);
    return result;
  };
  return {
    ...world,
    readState: async () => {
      const state = await world.readState();
      return { ...state, cellTimeMs: state.cellTimeMs + waitedMs };
    },
    write: (body) => {
      const name = nameOf(body);
      return name === null ? world.write(body) : around(name, () => world.write(body));
    },
    backup: (attempt) => around('the backup', () => world.backup(attempt)),
    begin: (member, manifest) => around('beginning at a member', () => world.begin(member, manifest)),
    clear: (member, attempt) => around('clearing a member', () => world.clear(member, attempt)),
    restart: (request) =>
      around('a restart', () => {
        setTimeout(() => pass('during a restart'), underWayMs);
        return world.restart(request);
      }),
    rehearse: (request) => around('a rehearsal', () => world.rehearse(request)),
    transfer: (to) => around('the hand-over', () => world.transfer(to)),
    verify: () => around('comparing', () => world.verify()),
  };
}

/** Which step of the journal it is; null for a renewal, which comes with time. */
function nameOf({ writes = [] }: UpgradeWriteBody): string | null {
  const claim = writes.find(({ key }) => key === 'upgrade/claim');
  const journal = writes.find(({ key }) => key.startsWith('upgrade/attempt/'))?.value ?? null;
  if (journal === null) {
    const [first] = writes;
    return first === undefined ? null : claim === undefined ? `writing the ${first.key}` : 'giving back the claim';
  }
  if (claim !== undefined && claim.value !== null) return 'taking the claim';
  const step = (JSON.parse(journal) as Attempt).steps.at(-1);
  return `journal: ${step?.step} ${step?.state}`;
}
