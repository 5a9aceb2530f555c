import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import * as errors from '../../src/errors/index.ts';
import { catalogue, catalogued, type ErrorCode, isErrorCode, OperatorError } from '../../src/errors/index.ts';

const codes = Object.keys(catalogue) as ErrorCode[];
const root = path.resolve(import.meta.dirname, '../..');

/** Exit codes of contract §1, and those of `node start`. */
const exits = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 28, 130]);

describe('the catalogue of error codes', () => {
  it('uses exit codes of the contract, and HTTP statuses of errors', () => {
    for (const code of codes) {
      const { exit, status } = catalogue[code];
      expect(code).toMatch(/^PAXOS_[A-Z0-9]+(_[A-Z0-9]+)*$/);
      expect(exits, code).toContain(exit);
      if (status !== null) expect(status >= 400 && status < 600, code).toBe(true);
    }
    const used = new Set(codes.map((it) => catalogue[it].exit));
    expect([...exits].filter((it) => !used.has(it as never))).toEqual([]);
  });

  it('says unknown exactly where a client must not simply send it again', () => {
    const unknown = codes.filter((it) => catalogue[it].outcome === 'unknown');
    expect(unknown.sort()).toEqual([
      'PAXOS_INTERNAL',
      'PAXOS_LOCK_LOST',
      'PAXOS_OUTCOME_UNKNOWN',
      'PAXOS_SESSION_EXPIRED',
    ]);
  });

  it('is what docs/ERRORS.md lists: code, meaning, how to solve, HTTP status, exit', () => {
    const text = readFileSync(path.join(root, 'docs/ERRORS.md'), 'utf8');
    const documented = text
      .split('\n')
      .filter((line) => line.startsWith('| `PAXOS_'))
      .sort();
    const expected = codes.map((code) => {
      const { meaning, solve, status, exit, outcome } = catalogue[code];
      return `| \`${code}\` | ${meaning} | ${solve} | ${status ?? '–'} | ${exit} | ${outcome} |`;
    });
    expect(documented).toEqual(expected.sort());
  });

  it('has every code that stands in the source', () => {
    const missing = new Set<string>();
    for (const file of sources(path.join(root, 'src')).concat(sources(path.join(root, 'commands')))) {
      for (const [, code] of readFileSync(file, 'utf8').matchAll(/'(PAXOS_[A-Z0-9_]+)'/g)) {
        if (!isErrorCode(code as string)) missing.add(`${path.relative(root, file)}: ${code}`);
      }
    }
    expect([...missing]).toEqual([]);
  });

  it('takes a code of a newer version for what its HTTP status says', () => {
    expect(catalogued('PAXOS_FROM_THE_FUTURE', 403).exit).toBe(12);
    expect(catalogued('PAXOS_FROM_THE_FUTURE', 409).exit).toBe(5);
    expect(catalogued('PAXOS_FROM_THE_FUTURE', 400).exit).toBe(2);
    expect(catalogued('PAXOS_FROM_THE_FUTURE', 500).exit).toBe(1);
  });
});

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((it) => it.endsWith('.ts'))
    .map((it) => path.join(folder, it));
}

describe('operator errors', () => {
  it('carry what oclif prints and exits with, and the document of --json', () => {
    const error = new errors.DataDirectoryLostError({ directory: '/d', member: 'n1', cell: 'c', servedUpTo: 7 });
    expect(error).toBeInstanceOf(OperatorError);
    expect(error.oclif.exit).toBe(20);
    expect(error.message).toBe('Data directory /d is empty, but member n1 served cell c up to instance 7.');
    expect(error.toDocument()).toEqual({
      error: {
        code: 'PAXOS_DATA_DIRECTORY_LOST',
        message: error.message,
        outcome: 'none',
        exitCode: 20,
        facts: { directory: '/d', member: 'n1', cell: 'c', servedUpTo: 7 },
        suggestions: ['paxosctl status', 'paxosctl node start --name n1 … --rebuild'],
      },
    });
  });

  it.each([
    [new errors.DataRolledBackError({ directory: '/d', member: 'n1', evidence: 'n2 remembers boot 4' }), 20],
    [new errors.LeftoverFilesError({ directory: '/d', files: ['x'] }), 21],
    [new errors.VersionRefusedError({ directory: '/d', found: 'level 2', supported: 'level 1' }), 22],
    [new errors.MemberRemovedError({ member: 'n1', incarnation: 1, cell: 'c' }), 23],
    [new errors.DataDirectoryForeignError({ directory: '/d', what: 'cell', found: 'a', expected: 'b' }), 24],
    [new errors.WitnessForeignError({ witness: '/w', found: 'n2', expected: 'n1' }), 24],
    [new errors.WitnessUnusableError({ witness: '/w', what: 'holds nothing' }), 25],
    [new errors.DataCorruptError({ directory: '/d', where: 'wal/1 at 40', what: 'bad checksum' }), 25],
    [new errors.DiskFullError({ directory: '/d' }), 26],
    [new errors.AddressInUseError({ host: '127.0.0.1', port: 1 }), 27],
    [new errors.DataDirectoryInUseError({ directory: '/d', pid: 5 }), 28],
    [new errors.UsageError('x'), 2],
    [new errors.UnreachableError('x'), 3],
    [new errors.CheckFailedError('x'), 4],
    [new errors.RefusedError('x'), 5],
    [new errors.ConditionFailedError('x'), 6],
    [new errors.OutcomeUnknownError('x'), 7],
    [new errors.CheckIncompleteError('x'), 8],
    [new errors.DegradedError('x'), 9],
    [new errors.NotAllowedError('x'), 12],
    [new errors.CellRolledBackError('x'), 13],
    [new errors.InterruptedError('x'), 130],
  ])('%s ends the process with %i', (error, exit) => {
    expect(error.exitCode).toBe(exit);
    expect(error.name).toBe(error.constructor.name);
  });

  it('anything else is a bug with exit code 1', () => {
    expect(errors.errorDocument(new TypeError('x')).error).toMatchObject({ code: 'PAXOS_INTERNAL', exitCode: 1 });
  });
});

describe('problem documents', () => {
  it('become the error of their code, with facts and outcome', () => {
    const problem = errors.problemFrom(409, {
      code: 'PAXOS_EPOCH_CHANGED',
      detail: 'Mastership was broken.',
      outcome: 'none',
      facts: { epoch: 3 },
    });
    const error = errors.errorFromProblem(problem);
    expect(error).toBeInstanceOf(errors.ConditionFailedError);
    expect(error).toMatchObject({ message: 'Mastership was broken.', exitCode: 6, facts: { status: 409, epoch: 3 } });
  });

  it.each([
    ['PAXOS_KEY_NOT_FOUND', 404, { key: 'a' }, 'paxosctl kv list --prefix=a'],
    ['PAXOS_CONDITION_FAILED', 412, { key: "it's", presentRevision: 7 }, "paxosctl kv get 'it'\\''s'"],
    ['PAXOS_OUTCOME_UNKNOWN', 504, { key: '-a' }, "paxosctl kv get -- '-a'"],
    ['PAXOS_OUTCOME_UNKNOWN', 504, { reason: 'timeout' }, 'paxosctl status'],
    ['PAXOS_TRANSFER_FAILED', 409, {}, 'paxosctl master status'],
    ['PAXOS_MEMBER_UNKNOWN', 404, {}, 'paxosctl status'],
    ['PAXOS_NO_MASTER', 503, {}, 'paxosctl status'],
  ])('%s (%i, %j) keep their facts and suggest a whole command', (code, status, facts, command) => {
    const error = errors.errorFromProblem(errors.problemFrom(status, { code, facts }));
    expect(error.facts).toEqual({ status, ...facts });
    expect(error.suggestions[0]).toBe(command);
  });

  it('an answer that is none of ours says nothing about a write unless its status does', () => {
    expect(errors.problemFrom(502, null).outcome).toBe('unknown');
    expect(errors.problemFrom(500, { error: 'x' }).outcome).toBe('unknown');
    expect(errors.problemFrom(404, '<html>').outcome).toBe('none');
    expect(errors.errorFromProblem(errors.problemFrom(502, null))).toBeInstanceOf(errors.OutcomeUnknownError);
  });
});
