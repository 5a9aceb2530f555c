/** Who drives the upgrades of these tests, and with which options. */
import type { Driven, DriverEvents } from '../../../src/operator/upgrade/driver.ts';
import { type FakeCell, Killed } from './fake-cell.ts';

export const events: DriverEvents = { step: () => undefined, waiting: () => undefined };
export const options = { stepTimeoutMs: 3_000, minTolerance: 0, diskFreeBytesMin: 0, soakMs: 0 };
let nonces = 0;
export const driver = (name = 'alice@ops1') => ({ driver: name, nonce: `t${++nonces}`, events, options });
export const toNew = (more: object = {}) => ({
  ...driver(),
  to: '0.2.0',
  how: 'exec' as const,
  exec: 'restart {name}',
  rehearse: null,
  ...more,
});

/** Runs until it ends by itself or is killed; null then. */
export async function killable(work: Promise<Driven>): Promise<Driven | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Killed) return null;
    throw error;
  }
}

export const versions = (cell: FakeCell): string[] => cell.members.map(({ version }) => version);
