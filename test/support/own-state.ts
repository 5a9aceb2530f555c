/**
 * Before the tests of each file: what `paxosctl` remembers between two commands (which cell it met at which address, and its newest
 * mark) lies in a folder of this file's own.
 *
 * In the state directory of whoever runs the tests it would grow with every run, until a new cell gets a port at which
 * the tool has met another one: then it refuses, as it should (exit 12, PAXOS_WRONG_CELL).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

const folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-state-'));
process.env.XDG_STATE_HOME = folder;
afterAll(() => rmSync(folder, { recursive: true, force: true }));
