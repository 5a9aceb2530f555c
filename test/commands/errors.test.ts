import { describe, expect, it } from 'vitest';
import { ConditionFailedError } from '../../src/errors/index.ts';
import { encodePoint, markProofBytes } from '../../src/formats/position-mark.ts';
import { reportError } from '../../src/render/error-report.ts';
import { ownName, runnable } from '../../src/render/own-name.ts';
import { endpointsIn, pasteable } from '../../src/render/suggestions.ts';
import { freeBasePort } from '../support/free-ports.ts';
import { type FakeCell, fakeCell, json, problem } from './fake-cell.ts';
import { cli, startCli } from './run-cli.ts';

async function withFake<Result>(work: (cell: FakeCell) => Promise<Result>): Promise<Result> {
  const cell = await fakeCell(1);
  try {
    return await work(cell);
  } finally {
    await cell.close();
  }
}

describe('a wrong command line', () => {
  it.each([
    ['an unknown command', ['frobnicate'], 'frobnicate is not a command'],
    ['an unknown command of a topic', ['kv', 'frobnicate'], 'kv frobnicate is not a command'],
    ['an unknown flag', ['status', '--nope'], '--nope'],
    ['a missing argument', ['kv', 'get'], 'key'],
    ['an argument too many', ['status', 'extra'], 'status extra'],
    ['a bad duration', ['status', '--timeout', '5'], 'Not a duration'],
    ['a bad size of a cell', ['simulate', '--replicas', '10'], 'Not a size of a cell'],
    ['a bad endpoint', ['status', '--endpoints', 'ftp://x'], 'Not the address of a replica'],
    ['flags that exclude each other', ['kv', 'put', 'a', 'b', '--if-absent', '--if-revision', '1'], 'if-revision'],
    ['a value that is not offered', ['bench', '--op', 'burn'], 'burn'],
    ['a rate for closed loops', ['bench', '--profile', 'paper', '--rate', '10'], '--rate'],
    ['a profile and an operation', ['bench', '--profile', 'mixed', '--op', 'get'], '--op'],
    ['batches of batches', ['bench', '--op', 'batch', '--batched'], '--batched'],
    ['a number out of range', ['kv', 'list', '--limit', '0'], 'limit'],
    ['a condition that does not exist', ['wait', 'sunshine'], 'Not a condition'],
    ['a key and a prefix', ['kv', 'delete', 'a', '--prefix', 'b'], '--prefix'],
  ])('with %s ends with 2, with and without --json', async (_what, args, says) => {
    const [plain, asJson] = await Promise.all([cli(args), cli([...args, '--json'])]);
    expect(plain.stderr).toContain(says);
    expect(plain.stdout).toBe('');
    expect(plain.code).toBe(2);
    const { error } = JSON.parse(asJson.stdout);
    expect(error).toMatchObject({ code: 'PAXOS_USAGE', outcome: 'none', exitCode: 2, facts: {} });
    expect(error.message).toContain(says);
    expect(asJson.code).toBe(2);
  });

  it('shows the usage of the command that was meant, on stderr', async () => {
    const { stderr } = await cli(['kv', 'get', '--nope']);
    expect(stderr).toContain('USAGE');
    expect(stderr).toContain('kv get KEY');
  });
});

describe('an error of the cell', () => {
  it('that nobody answers ends with 3, and its JSON has all that the contract names', async () => {
    const nobody = `http://127.0.0.1:${(await freeBasePort(1)) + 1}`;
    for (const command of [
      ['status'],
      ['kv', 'get', 'a'],
      ['kv', 'put', 'a', 'b'],
      ['master', 'status'],
      ['kv', 'list'],
    ]) {
      const args = [...command, '--endpoints', nobody, '--timeout', '300ms'];
      const { code, stdout } = await cli([...args, '--json']);
      const { error, ...rest } = JSON.parse(stdout);
      expect(rest).toEqual({});
      expect(Object.keys(error).sort()).toEqual(['code', 'exitCode', 'facts', 'message', 'outcome', 'suggestions']);
      expect(error).toMatchObject({ outcome: 'none', exitCode: 3 });
      expect(code).toBe(3);
    }
  });

  it.each([
    [412, 'PAXOS_CONDITION_FAILED', 'none', 6],
    [403, 'PAXOS_KEY_RESERVED', 'none', 12],
    [409, 'PAXOS_EPOCH_CHANGED', 'none', 6],
    [409, 'PAXOS_CELL_ROLLED_BACK', 'none', 13],
    [504, 'PAXOS_OUTCOME_UNKNOWN', 'unknown', 7],
  ])('%i %s keeps its code and ends with %s, %i', async (status, code, outcome, exit) => {
    await withFake(async (cell) => {
      const [replica] = cell.replicas;
      if (replica) {
        replica.handle = (_request, response) => {
          problem(response, status, code, 'Because \u001b[2J so.', outcome);
          return true;
        };
      }
      const args = ['kv', 'put', 'a', 'b', '--endpoints', cell.endpoints];
      const [plain, asJson] = await Promise.all([cli(args), cli([...args, '--json'])]);
      expect(JSON.parse(asJson.stdout).error).toMatchObject({ code, outcome, exitCode: exit });
      expect(plain.stderr).toContain('Because \\x1b[2J so.');
      expect([plain.code, asJson.code]).toEqual([exit, exit]);
    });
  });

  it('that another one stands where a cell was met before says which one that was, and how to forget it', async () => {
    await withFake(async (cell) => {
      const [replica] = cell.replicas;
      if (!replica) return;
      const met = {
        cellId: 'first-cell',
        generation: 1,
        generationId: 'g',
        epoch: 1,
        epochId: 'e',
        instance: 9,
        revision: 2,
      };
      const mark = Buffer.concat([encodePoint(met), Buffer.alloc(markProofBytes)]).toString('base64url');
      const put = { revision: 1, instance: 9, epoch: 1 };
      const args = ['kv', 'put', 'a', 'b', '--json', '--endpoints', cell.endpoints];
      replica.handle = (_request, response) => {
        json(response, 200, put, { 'paxos-position': mark });
        return true;
      };
      expect(await cli(args)).toMatchObject({ code: 0 });
      let sent: unknown;
      replica.handle = (request, response) => {
        sent = request.headers['paxos-position'];
        problem(response, 403, 'PAXOS_WRONG_CELL', 'The position mark is of another cell.');
        return true;
      };
      const { code, stdout } = await cli(args);
      expect(sent).toBe(mark);
      expect(code).toBe(12);
      expect(JSON.parse(stdout).error).toMatchObject({
        code: 'PAXOS_WRONG_CELL',
        message: expect.stringContaining('first-cell'),
        facts: { known: 'first-cell', endpoints: [cell.endpoints] },
        suggestions: [expect.stringContaining('cell forget first-cell')],
      });
    });
  });

  it('whose master cannot be reached any more in the middle of a write ends with 7: its fate is unknown', async () => {
    await withFake(async (cell) => {
      const [replica] = cell.replicas;
      if (replica) {
        replica.handle = (_request, response) => {
          response.destroy();
          return true;
        };
      }
      const { code, stdout } = await cli(['kv', 'put', 'a', 'b', '--json', '--endpoints', cell.endpoints]);
      expect(JSON.parse(stdout).error).toMatchObject({ outcome: 'unknown', exitCode: 7 });
      expect(code).toBe(7);
    });
  });

  it('is told apart from an interrupt, which ends with 130 and says what may have been done', async () => {
    await withFake(async (cell) => {
      const [replica] = cell.replicas;
      let asked = false;
      if (replica) {
        replica.handle = () => {
          asked = true;
          return true;
        };
      }
      const running = startCli(['kv', 'put', 'a', 'b', '--json', '--endpoints', cell.endpoints]);
      await expect.poll(() => asked, { timeout: 10_000 }).toBe(true);
      running.process.kill('SIGINT');
      const { code, stdout } = await running.result;
      expect(JSON.parse(stdout).error).toMatchObject({ code: 'PAXOS_INTERRUPTED', outcome: 'unknown', exitCode: 130 });
      expect(code).toBe(130);
    });
  });
});

describe('a question', () => {
  it('is never asked without a terminal: the flag that answers it is named', async () => {
    await withFake(async (cell) => {
      const [replica] = cell.replicas;
      if (replica) {
        replica.handle = (_request, response) => {
          const entries = [{ key: 'a', value: 'b', revision: 1, createRevision: 1, version: 1 }];
          json(response, 200, { entries, next: null, revision: 1 });
          return true;
        };
      }
      const { code, stderr } = await cli(['kv', 'delete', '--prefix', 'a', '--endpoints', cell.endpoints]);
      expect(stderr).toContain('--yes');
      expect(code).toBe(2);
    });
  });
});

describe('the report of an error', () => {
  it('names the code, the exit code and whole commands that work when pasted', () => {
    const error = new ConditionFailedError('No.', { suggestions: ['paxosctl status'], cause: new Error('deep') });
    const { text, json: document } = reportError(error);
    expect(text).toContain('PAXOS_CONDITION_FAILED, exit code 6');
    expect(text).toContain('caused by: deep');
    expect(text).toContain(`  ${ownName()} status`);
    expect(document.suggestions).toEqual([`${ownName()} status`]);
  });

  it('suggests commands that go to the endpoints that were asked', () => {
    const args = ['kv', 'put', 'a', 'b', '--endpoints', 'http://10.0.0.1:7401'];
    expect(pasteable('paxosctl status', args)).toBe(`${ownName()} status --endpoints http://10.0.0.1:7401`);
    for (const asks of [
      'recover plan --keep-present',
      'cell restore FILE',
      'verify checksums',
      'snapshot list',
      'doctor',
    ]) {
      expect(pasteable(`paxosctl ${asks}`, args)).toBe(`${ownName()} ${asks} --endpoints http://10.0.0.1:7401`);
    }
    expect(pasteable('paxosctl verify data-dir n1', args)).toBe(`${ownName()} verify data-dir n1`);
    expect(pasteable('paxosctl cell start', args)).toBe(`${ownName()} cell start`);
    expect(pasteable('ls -l x', args)).toBe('ls -l x');
    expect(endpointsIn(['status', '--endpoints=a', '--', '--endpoints', 'b'])).toBe('a');
    expect(pasteable('paxosctl status', ['status'])).toBe(`${ownName()} status`);
  });

  it('of something unexpected says that it is a bug', () => {
    expect(reportError(new TypeError('x is undefined')).json).toMatchObject({ code: 'PAXOS_INTERNAL', exitCode: 1 });
    expect(reportError('thrown text').json.exitCode).toBe(1);
  });

  it('calls this program by the name by which it can be called', () => {
    expect(ownName('/usr/local/bin/paxosctl', '/tmp')).toBe('paxosctl');
    expect(ownName('/src/bin/run.js', '/src')).toBe('node bin/run.js');
    expect(ownName("/it's/run.js", '/src')).toBe(`node '/it'\\''s/run.js'`);
    expect(runnable('kubectl get pods')).toBe('kubectl get pods');
  });
});
