/** Upgrades, the level and backups: rules without which one request, or one operator in a hurry, ends a cell. */
import type { Mutant } from './mutant.ts';

const rule = 'src/core/database/level-rule.ts';
const service = 'src/runtime/upgrade-service.ts';
const forward = 'src/operator/upgrade/forward.ts';
const back = 'src/operator/upgrade/back.ts';
const finalize = 'src/operator/upgrade/finalize.ts';
const drivers = 'test/operator/upgrade/drivers.test.ts';
const finalizing = 'test/operator/upgrade/finalize.test.ts';
const restarts = 'test/operator/upgrade/restarts.test.ts';
const running = 'test/operator/upgrade/run.test.ts';
const waysBack = 'test/operator/upgrade/ways-back.test.ts';
const routes = 'test/runtime/http/upgrade-routes.test.ts';
const levelRule = 'test/core/database/level-rule.test.ts';
const generation = 'test/runtime/next-generation.test.ts';

const blind = { explorer: 'not in the core of consensus' } as const;
/** In the simulator the commands themselves are typed (`--operators upgrades`), and nobody sends what they would not. */
const onlyCommands = { ...blind, simulator: 'its operators type the commands, which send no such request' } as const;
const noBackups = { ...blind, simulator: 'nobody keeps backups in its world' } as const;

export const upgrades: readonly Mutant[] = [
  {
    id: 'level-falls',
    pitfalls: [],
    title: 'the level may fall',
    wrong: 'The trip-wire is gone: an older version starts on data that it does not know.',
    edits: [{ file: rule, find: "if (level <= present) return 'not-higher';", replace: '' }],
    killedBy: [levelRule],
    blind: onlyCommands,
  },
  {
    id: 'level-unannounced',
    pitfalls: ['P51'],
    title: 'the level rises to what no upgrade announced',
    wrong: 'One request raises the cell beyond what its members speak: all of them end, at every start.',
    edits: [{ file: rule, find: "return 'unannounced';", replace: 'return null;' }],
    killedBy: [levelRule],
    blind: onlyCommands,
  },
  {
    id: 'level-unguarded',
    pitfalls: [],
    title: 'the level rises without a test of what its writer saw',
    wrong: 'A driver that was taken for dead raises it on what it saw long ago.',
    edits: [{ file: rule, find: "return 'unguarded';", replace: 'continue;' }],
    killedBy: [levelRule],
    blind: onlyCommands,
  },
  {
    id: 'level-members-not-asked',
    pitfalls: ['P51'],
    title: 'a member that cannot follow, or does not say, is no reason not to raise the level',
    wrong: 'It stops in front of the value and never starts again with the program that it has.',
    edits: [
      { file: service, find: 'if (spoken === null) return', replace: "if (spoken === null && name === '') return" },
      {
        file: service,
        find: 'if (beyond !== undefined) return',
        replace: "if (beyond !== undefined && name === '') return",
      },
    ],
    killedBy: [routes],
    blind,
  },
  {
    id: 'P51-journal-unread',
    pitfalls: ['P51'],
    title: 'whatever is sent stands in the journal of upgrades',
    wrong: 'No operator can read it again, and no upgrade be ended.',
    edits: [
      {
        file: 'src/runtime/http/journal-schema.ts',
        find: 'if (issue === undefined) return null;',
        replace: 'if (issue === undefined || value.length > 0) return null;',
      },
    ],
    killedBy: [routes],
    blind: onlyCommands,
  },
  {
    id: 'P51-status-throws',
    pitfalls: ['P51'],
    title: 'a journal that does not parse makes the status fail',
    wrong: 'Whoever asks for it ends the process of every member, again after each start.',
    edits: [
      {
        file: 'src/runtime/open-upgrade.ts',
        find: '  } catch {\n    return {};',
        replace: '  } catch (error) {\n    throw error;',
      },
    ],
    killedBy: [routes],
    blind: onlyCommands,
  },
  {
    id: 'finalize-level-by-who-is-there',
    pitfalls: [],
    title: 'what the cell is raised to is decided anew with every look',
    wrong: 'A member that went back meanwhile makes the upgrade final without its level, with an exit status of 0.',
    edits: [
      {
        file: finalize,
        find: 'if (isRaised(attempt, present)) return',
        replace: 'if (present >= Math.min(...seen.members.map(({ status }) => status?.levels?.max ?? 0))) return',
      },
    ],
    killedBy: [finalizing],
    blind,
  },
  {
    id: 'finalized-unseen',
    pitfalls: [],
    title: 'where finalizing raises nothing, nobody looks at the members again',
    wrong: 'An upgrade is final while a member runs the version from before, and nothing is open that would tell.',
    edits: [
      {
        file: finalize,
        find: 'if (isRaised(attempt, present)) return',
        replace: 'if (present >= level) return',
      },
    ],
    killedBy: [finalizing],
    blind,
  },
  {
    id: 'back-by-the-journal',
    pitfalls: [],
    title: 'who was put back once is back for ever',
    wrong:
      'A member that was started with the target again stays there; the abort calls it clean, and the next upgrade is refused.',
    edits: [
      {
        file: back,
        find: 'if (astray !== undefined) {',
        replace: "if (astray?.name === '') {",
      },
    ],
    killedBy: [waysBack],
    blind,
  },
  {
    id: 'finalizing-called-off-behind-a-raise',
    pitfalls: [],
    title: 'finalizing is called off whatever the level is by then',
    wrong: 'The cell is raised, and members are sent back to a version that does not start on it.',
    edits: [
      {
        file: 'src/operator/upgrade/claim.ts',
        find: '              { key: levelKey, instance: journal.levelInstance },\n',
        replace: '',
      },
    ],
    killedBy: [finalizing],
    blind,
  },
  {
    id: 'upgrade-outlives-its-generation',
    pitfalls: [],
    title: 'an upgrade stays open in the generation after its own',
    wrong:
      'The backup of an upgrade, restored, is a cell whose members cannot be changed, and whose abort restarts all of them.',
    edits: [
      {
        file: 'src/core/database/next-generation.ts',
        find: 'openUpgradeKeys.has(record.key)',
        replace: "record.key === ''",
      },
    ],
    killedBy: [generation],
    blind: { ...blind, simulator: 'nobody upgrades there what others go back to backups of' },
  },
  {
    id: 'upgraded-by-the-journal',
    pitfalls: [],
    title: 'who was upgraded once is upgraded for ever',
    wrong: 'A member that went back meanwhile is called upgraded, and finalizing waits for what nobody does.',
    edits: [
      {
        file: forward,
        find: 'if (strayed !== undefined) return again(now, attempt, strayed);',
        replace: 'void strayed;',
        every: true,
      },
    ],
    killedBy: [restarts],
    blind,
  },
  {
    id: 'restart-on-an-old-claim',
    pitfalls: [],
    title: 'a driver that slept restarts the member that it had announced',
    wrong: 'The upgrade was aborted meanwhile: one member runs the target, and nothing is open.',
    edits: [
      {
        file: 'src/operator/upgrade/driver.ts',
        find: 'await this.#held.confirm();\n    } catch',
        replace: 'await Promise.resolve();\n    } catch',
      },
    ],
    killedBy: [drivers],
    blind,
  },
  {
    id: 'begun-on-an-old-claim',
    pitfalls: [],
    title: 'a driver that slept goes on where it was at the members, whatever has become of the upgrade',
    wrong: 'It was aborted meanwhile: what is put there then stays, behind the signed word that nothing is left.',
    edits: [
      {
        file: 'src/operator/upgrade/driver.ts',
        find: 'await this.#held.confirm();\n      if',
        replace: 'await Promise.resolve();\n      if',
      },
    ],
    killedBy: [drivers],
    blind,
  },
  {
    id: 'clean-at-the-old-address',
    pitfalls: [],
    title: 'what an attempt left is looked for at the address that the member had when it began',
    wrong: 'A member that was let in again at another one keeps the upgrade open for ever.',
    edits: [
      {
        file: finalize,
        find: 'const member = { ...left, ...presentOf(seen, left.name) };',
        replace: 'const member = left;',
      },
    ],
    killedBy: [running],
    blind: { ...blind, simulator: 'its members keep their addresses' },
  },
  {
    id: 'judged-by-the-boot-of-before',
    pitfalls: [],
    title: 'what a replica says of itself while it ends is held against its restart',
    wrong: 'Every third upgrade whose COMMAND does not wait puts a sound member back, and stops.',
    edits: [
      {
        file: 'src/operator/upgrade/judge.ts',
        find: '    judgeIdentity(progress, status, seen) ??',
        replace:
          "    (finalRoles.has(status.role) ? doubt('it ends') : null) ??\n    judgeIdentity(progress, status, seen) ??",
      },
    ],
    killedBy: [restarts],
    blind: {
      ...blind,
      simulator:
        'whoever ends says there that it is a replica, as this version does: none that says otherwise is simulated',
    },
  },
  {
    id: 'residue-of-nobody',
    pitfalls: [],
    title: 'where nobody says who the members are, nothing of another attempt is left on them',
    wrong: 'One moment without an answer, and an upgrade goes on over a snapshot of months ago (PML §7).',
    edits: [
      {
        file: 'src/operator/upgrade/scan-all.ts',
        find: 'await world.see(known);',
        replace: 'await world.see(known.slice(known.length));',
      },
    ],
    killedBy: [running],
    blind,
  },
  {
    id: 'backup-as-young-as-its-record',
    pitfalls: [],
    title: 'the age of a backup counts from when the cell heard of it',
    wrong: 'One from before an outage of twenty hours is shown as one of now, and the next is due a day later.',
    edits: [
      {
        file: 'src/runtime/backups/backup-keeper.ts',
        find: 'const older = backup.instance < atLeast;',
        replace: 'const older = backup.instance < 0;',
      },
    ],
    killedBy: ['test/runtime/backups/backup-keeper.test.ts'],
    blind: noBackups,
  },
  {
    id: 'backup-failed-by-an-older-one',
    pitfalls: [],
    title: 'a backup that was verified fails because an older one cannot be let go',
    wrong: 'It is written anew each minute, recorded never, until the disk is full.',
    edits: [
      {
        file: 'src/runtime/backups/backup-folder.ts',
        find: 'failures.push(',
        replace: 'throw new Error(',
      },
    ],
    killedBy: ['test/runtime/backups/backup-folder.test.ts'],
    blind: noBackups,
  },
  {
    id: 'saved-without-a-master',
    pitfalls: [],
    title: 'a backup by hand needs nobody to say how far the cell is',
    wrong: 'The state of one member that was cut off for hours passes for everything that was acknowledged.',
    edits: [
      {
        file: 'src/operator/snapshot-save.ts',
        find: "if (unconfirmed === 'accept' || frozen) {",
        replace: "if (unconfirmed !== 'as-it-is' || frozen) {",
      },
    ],
    killedBy: ['test/operator/snapshot-save.test.ts'],
    blind: { ...blind, simulator: 'nobody saves snapshots in its world' },
  },
  {
    id: 'rehearsal-of-nothing',
    pitfalls: [],
    title: 'a rehearsal that compared nothing passes',
    wrong: 'The target starts on data of which it may make something else.',
    edits: [
      {
        file: 'src/operator/upgrade/cell-world.ts',
        find: 'if (!((said.points ?? 0) > 0)) throw',
        replace: 'if (!((said.points ?? 0) >= 0)) throw',
      },
    ],
    killedBy: ['test/operator/upgrade/rehearse.test.ts'],
    blind: { ...blind, simulator: 'it has a twin of what asks members over HTTP' },
  },
];
