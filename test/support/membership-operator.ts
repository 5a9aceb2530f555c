/** What tests do as an operator who changes the members of a cell of real processes. */
import { expect } from 'vitest';
import { withMembers } from '../../src/operator/members/port.ts';
import type { StepOptions } from '../../src/operator/members/steps.ts';
import { addMember, listMembers } from '../../src/operator/members/workflows.ts';
import type { CellProcess } from './cell-process.ts';
import type { ReplicaChild } from './replica-child.ts';

export const plain = { dryRun: false, allowNoSpare: false };

/** As an operator at his own machine, who knows the addresses of `cell`. */
export function operate<Result>(cell: CellProcess, work: (options: StepOptions) => Promise<Result>): Promise<Result> {
  return withMembers({ endpoints: cell.urls, timeout: 15_000 }, (port) =>
    work({ port, timeoutMs: 15_000, onProgress: () => undefined }),
  );
}

/** With other addresses to begin at. */
export const operateAt = <Result>(
  urls: readonly string[],
  work: (options: StepOptions) => Promise<Result>,
): Promise<Result> =>
  withMembers({ endpoints: urls, timeout: 15_000 }, (port) =>
    work({ port, timeoutMs: 15_000, onProgress: () => undefined }),
  );

export async function add(cell: CellProcess, name: string): Promise<ReplicaChild> {
  const newcomer = await cell.newcomer(name);
  newcomer.start();
  const added = await operate(cell, (options) =>
    addMember(options, { name, url: newcomer.url, promote: true, ...plain }),
  );
  expect(added.member).toMatchObject({ name, role: 'voter', voting: true });
  return newcomer;
}

export const membersOf = async (cell: CellProcess): Promise<string[]> => {
  const { members } = await listMembers({ endpoints: cell.urls, timeout: 5_000 });
  return members.map(({ name, role }) => `${name} ${role}`);
};
