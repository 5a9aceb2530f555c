/** Which program runs which member of a local cell: files beside `cell.json`, so that an upgrade outlives the process that made it. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** By version: program and first arguments, to which `node start …` is appended. */
export type LocalPrograms = Readonly<Record<string, readonly string[]>>;

const programsFile = 'programs.json';
const versionFile = (name: string): string => `${name}.version`;

export function readPrograms(directory: string): LocalPrograms {
  try {
    return JSON.parse(readFileSync(path.join(directory, programsFile), 'utf8')) as LocalPrograms;
  } catch {
    // None yet.
    return {};
  }
}

export const writePrograms = (directory: string, programs: LocalPrograms): void =>
  replace(path.join(directory, programsFile), `${JSON.stringify(programs, null, 2)}\n`);

export const writeProgram = (directory: string, name: string, version: string): void =>
  replace(path.join(directory, versionFile(name)), `${version}\n`);

/** The program that is to run a member; `fallback` where nobody chose one. */
export function programOf(directory: string, name: string, fallback: readonly string[]): readonly string[] {
  const version = chosenVersion(directory, name);
  return version === null ? fallback : (readPrograms(directory)[version] ?? fallback);
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
