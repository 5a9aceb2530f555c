/**
 * The built-in restart for a cell of `cell start`: which program runs a member stands in a file of the cell's folder, and the
 * process that watches over the members starts whatever stands there.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { RefusedError } from '../../errors/index.ts';
import type { MemberDocument } from '../../formats/http-body.ts';
import { membersIn, recordedShape } from '../local-cell.ts';
import { type LocalPrograms, readPrograms, writeProgram, writePrograms } from '../local-programs.ts';

export interface LocalProgram {
  readonly version: string;
  readonly command: readonly string[];
}

type Member = Pick<MemberDocument, 'name' | 'url'>;

/** @throws {RefusedError} when the folder is not that of a cell of this machine; and then, when it is another cell's, or a version has no program there. */
export function localRestart(
  directory: string,
  own: LocalProgram,
): (member: Member, version: string) => Promise<string> {
  localMembers(directory);
  return async (member, version) => {
    refuseOtherCell(directory, [member]);
    const { name } = member;
    const known: LocalPrograms = { ...readPrograms(directory), [own.version]: own.command };
    const command = known[version];
    if (command === undefined) {
      throw new RefusedError(`No program of version ${version} is known in ${directory}.`, {
        facts: { directory, known: Object.keys(known) },
        suggestions: [`/path/to/${version}/bin/run.js upgrade resume`],
      });
    }
    writePrograms(directory, known);
    writeProgram(directory, name, version);
    const pid = pidOf(directory, name);
    if (pid === null) return `${name} did not run; the cell starts it with version ${version}`;
    process.kill(pid, 'SIGTERM');
    return `${name} (process ${pid}) was asked to stop; the cell starts it with version ${version}`;
  };
}

/** Every local cell has an `n1`: only its address tells that it is this one. @throws {RefusedError} naming those that are not of the folder's cell. */
export function refuseOtherCell(directory: string, members: readonly Member[]): void {
  const local = localMembers(directory);
  const others = members.filter(({ name, url }) => local.get(name) !== url.replace(/\/$/, ''));
  if (others.length === 0) return;
  const texts = (list: readonly Member[]): string => list.map(({ name, url }) => `${name} at ${url}`).join(', ');
  const there = [...local].map(([name, url]) => ({ name, url }));
  throw new RefusedError(
    `The cell in ${directory} has ${texts(there)}, and not ${texts(others)}: it is another one, and nothing there was touched.`,
    { facts: { directory, there, others }, suggestions: otherWays },
  );
}

const otherWays = [
  'paxosctl upgrade run --to VERSION --exec COMMAND',
  'paxosctl upgrade run --to VERSION --cell-dir DIR',
] as const;

/** Addresses by name. @throws {RefusedError} */
function localMembers(directory: string): ReadonlyMap<string, string> {
  const shape = recordedShape(directory);
  if (shape === null) {
    throw new RefusedError(`${directory} is not the folder of a cell of "cell start".`, {
      facts: { directory },
      suggestions: otherWays,
    });
  }
  return new Map(membersIn(shape).map(({ name, url }) => [name, url]));
}

function pidOf(directory: string, name: string): number | null {
  try {
    const pid = Number(readFileSync(path.join(directory, `${name}.pid`), 'utf8'));
    return Number.isSafeInteger(pid) && pid > 1 && isReplica(pid, name) ? pid : null;
  } catch {
    return null;
  }
}

/** A folder whose process was killed has numbers that others may have by now. Where nobody tells, the number is believed. */
function isReplica(pid: number, name: string): boolean {
  if (!existsSync('/proc/self/cmdline')) return true;
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return args.includes('start') && args[args.indexOf('--name') + 1] === name;
}
