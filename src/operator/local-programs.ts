/** Which program runs which member of a local cell: files beside `cell.json`, so that an upgrade outlives the process that made it. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RefusedError } from '../errors/index.ts';

/** By version: program and first arguments, to which `node start …` is appended. */
export type LocalPrograms = Readonly<Record<string, readonly string[]>>;

const programsFile = 'programs.json';
const versionFile = (name: string): string => `${name}.version`;

/** @throws {RefusedError} when the file is there and is no list of programs: what an upgrade goes back to stands in it. */
export function readPrograms(directory: string): LocalPrograms {
  const file = path.join(directory, programsFile);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    // None yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  const programs = parsed(text);
  if (programs !== null) return programs;
  throw new RefusedError(`${file} is no list of programs by version, so nobody knows which program runs a member.`, {
    facts: { file },
    suggestions: [`mv ${file} ${file}.bad`, `/path/to/VERSION/bin/run.js cell start --data-dir ${directory}`],
  });
}

function parsed(text: string): LocalPrograms | null {
  try {
    const programs: unknown = JSON.parse(text);
    if (typeof programs !== 'object' || programs === null || Array.isArray(programs)) return null;
    const isCommand = (it: unknown): boolean =>
      Array.isArray(it) && it.length > 0 && it.every((part) => typeof part === 'string');
    return Object.values(programs).every(isCommand) ? (programs as LocalPrograms) : null;
  } catch {
    return null;
  }
}

export const writePrograms = (directory: string, programs: LocalPrograms): void =>
  replace(path.join(directory, programsFile), `${JSON.stringify(programs, null, 2)}\n`);

export const writeProgram = (directory: string, name: string, version: string): void =>
  replace(path.join(directory, versionFile(name)), `${version}\n`);

/** A program, and which version it is where that is known. */
export interface OwnProgram {
  readonly version?: string | undefined;
  readonly command: readonly string[];
}

/**
 * The program that is to run a member; `own` where no upgrade chose one. Never another version than the chosen one: that may be the one which
 * refuses the member's data, or the one that an upgrade was about to leave.
 *
 * @throws {RefusedError} when the chosen version is not known here.
 */
export function programOf(directory: string, name: string, own: OwnProgram): readonly string[] {
  const version = chosenVersion(directory, name);
  if (version === null) return own.command;
  const known: LocalPrograms = {
    ...readPrograms(directory),
    ...(own.version === undefined ? {} : { [own.version]: own.command }),
  };
  const command = known[version];
  if (command !== undefined) return command;
  throw new RefusedError(
    `${name} of ${directory} runs version ${version} since an upgrade, and no program of that version is known there; known are ${Object.keys(known).join(', ') || 'none'}. Nothing of it was started or changed.`,
    {
      facts: { directory, member: name, version, known: Object.keys(known) },
      suggestions: [`/path/to/${version}/bin/run.js cell start --data-dir ${directory}`, 'paxosctl upgrade history'],
    },
  );
}

/** Null where no upgrade has chosen one. */
export function chosenVersion(directory: string, name: string): string | null {
  try {
    return readFileSync(path.join(directory, versionFile(name)), 'utf8').trim();
  } catch {
    return null;
  }
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.next`, text);
  renameSync(`${file}.next`, file);
}
