/** What the runtime makes of the core's effects: the order that is data there must be kept here (P01, P13, P36, P41). */
import { expect, it } from 'vitest';
import { accept } from '../support/messages.ts';
import { configurationOf, handledLog } from './log-replica-ports.ts';

it('a message leaves when the very write that it names is durable, and no earlier', async () => {
  const { deliver, flush, sent } = await handledLog(['n1', 'n2', 'n3']);
  deliver('n2', accept({ ballot: '1.n2', instance: 1, value: 'x' }));
  deliver('n2', accept({ ballot: '1.n2', instance: 2, value: 'y' }));
  expect(sent).toEqual([]);
  flush(1);
  expect(sent).toMatchObject([{ kind: 'accepted', instance: 1 }]);
  flush();
  expect(sent.slice(1)).toMatchObject([{ kind: 'accepted', instance: 2 }]);
});

it('while the values of one step are applied, answers in between are not given as a master', async () => {
  const limits = { batchItemsMax: 1, eagerWindowInstances: 8 };
  const { flush, log, runUntil, servedAt, submit, turn } = await handledLog(['n1'], limits);
  runUntil(() => log.isServing());
  const told = [submit('x'), submit('y'), submit('z')];
  turn();
  flush();
  expect(told.map(({ outcome }) => outcome?.kind)).toEqual(['applied', 'applied', 'applied']);
  expect(servedAt).toEqual([false, false, true]);
});

it('a replica that stops says "unknown" of what was proposed, and "nothing happened" of the rest alone', async () => {
  const { log, runUntil, submit, turn } = await handledLog(['n1']);
  runUntil(() => log.isServing());
  const proposed = submit('x');
  turn();
  const waiting = submit('y');
  log.stop();
  expect(proposed.outcome).toEqual({ kind: 'unknown', reason: 'stopped' });
  expect(waiting.outcome).toEqual({ kind: 'none', reason: 'stopped' });
});

it('whoever is told of a change of the configuration cannot stop the replica by failing', async () => {
  const { log, runUntil } = await handledLog(['n1']);
  runUntil(() => log.isServing());
  const told: string[] = [];
  log.changeConfiguration(configurationOf(['n1', 'n2']), (outcome) => {
    told.push(outcome);
    throw new Error('nobody listens');
  });
  runUntil(() => told.length > 0);
  expect(told).toEqual(['changed']);
  expect(log.stopped).toBe(false);
});
