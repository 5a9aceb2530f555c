/**
 * What is at stake: a command that throws while it is applied is chosen, and crash-loops every replica for ever (P51).
 */
import { expect, it } from 'vitest';
import type { Command, CommandResult } from '../../../src/core/database/command.ts';
import { decodeCommand, encodeCommand } from '../../../src/formats/command.ts';
import { CommandSource } from './random-commands.ts';
import { Machine, put, recomputed } from './support.ts';

it('applies any command that can be decoded without an error', () => {
  const source = new CommandSource(1);
  const machine = new Machine();
  let commands = 0;
  while (commands < 120_000) {
    if (source.below(50) === 0) machine.mastership();
    machine.cellTimeMs += source.below(200);
    const batch = Array.from({ length: 1 + source.below(40) }, () => decodeCommand(encodeCommand(source.next())));
    commands += batch.length;
    const results = machine.submit(...batch);
    expect(results.length).toBe(batch.length);
    rememberSessions(source, results);
  }
  expect(machine.database.revision).toBeGreaterThan(10_000);
  expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
}, 60_000);

it('applies even what no proposer would have let through', () => {
  const machine = new Machine();
  machine.cellTimeMs = Number.MAX_SAFE_INTEGER;
  const odd: Command[] = [
    { kind: 'open-session', ttlMs: Number.MAX_SAFE_INTEGER },
    { kind: 'open-session', ttlMs: -1 },
    { kind: 'keep-session', session: '' },
    { kind: 'close-session', session: '\ud800' },
    { kind: 'expire-sessions', sessions: ['__proto__', '', 's0-0'] },
  ];
  const multiOps = ['', '\u0000epoch', 'x'.repeat(20_000), 'a'].map((key) => [put(key), { op: 'get', key } as const]);
  expect(machine.submit(...odd).map(({ kind }) => kind)).toEqual([
    'session',
    'session',
    'session-expired',
    'session-expired',
    'done',
  ]);
  for (const operations of multiOps) expect(machine.multiOp({ do: operations }).succeeded).toBe(true);
  machine.restart();
  expect(recomputed(machine.database.view())).toBe(machine.database.checksumHex());
});

function rememberSessions(source: CommandSource, results: readonly CommandResult[]): void {
  for (const result of results) {
    if (result.kind !== 'session' || source.sessions.includes(result.session)) continue;
    source.sessions.push(result.session);
    if (source.sessions.length > 12) source.sessions.splice(source.below(12), 1);
  }
}
