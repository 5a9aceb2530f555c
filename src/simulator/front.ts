/**
 * The HTTP front of a simulated replica without HTTP: the same questions to the same service, in the same order.
 *
 * Keeps: the check of the lease and the read that rests on it are one synchronous step (pitfall P32).
 */
import type { Command, CommandResult } from '../core/database/command.ts';
import type { ReplicaService } from '../runtime/http/service.ts';
import { valueText } from './history.ts';

export type ClientRequest =
  | {
      readonly kind: 'read';
      readonly key: string /** Served by any replica from its own state. */;
      readonly stale: boolean;
      readonly mark: string | null;
    }
  | { readonly kind: 'write'; readonly command: Command };

export type ClientReply =
  | {
      readonly kind: 'read';
      readonly value: string | null;
      /** Of the entry; 0 when absent. */
      readonly revision: number;
      readonly appliedUpTo: number;
      readonly mark: string;
    }
  | {
      readonly kind: 'written';
      readonly result: CommandResult;
      /** At which the copy was applied that this answers. */
      readonly instance: number;
      readonly mark: string;
    }
  | { readonly kind: 'redirect'; readonly name: string }
  /** Without effect; come back later. */
  | { readonly kind: 'none'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown' }
  /** Without effect: no command of this kind before the cell's level is raised. */
  | { readonly kind: 'level-refused' }
  /** The replica calls the mark wrong that it or another gave out. */
  | { readonly kind: 'mark-refused'; readonly code: string };

export interface FrontOptions {
  readonly service: ReplicaService;
  readonly appliedUpTo: () => number;
  /** A look at whether this process would serve: what checkers want to know of every request. */
  readonly observed: (epoch: number | null) => void;
  /** How long a read with a mark waits for this replica to come up to it. */
  readonly waitMs: number;
}

export function answer(options: FrontOptions, request: ClientRequest, reply: (reply: ClientReply) => void): void {
  const { service } = options;
  if (request.kind === 'read' && request.mark !== null) {
    const { mark } = request;
    const verdict = service.judgePosition(mark);
    if (verdict.kind === 'refuse') return reply({ kind: 'mark-refused', code: verdict.code });
    if (verdict.kind === 'hold') return reply({ kind: 'none', retryAfterMs: 20 });
    if (verdict.kind === 'wait') {
      service.whenApplied(verdict.instance, options.waitMs, (applied) => {
        const now = applied ? service.judgePosition(mark) : verdict;
        // Still not: the mark is of a history that this replica cannot judge, only a master can.
        if (now.kind === 'serve') answer(options, request, reply);
        else reply({ kind: 'none', retryAfterMs: options.waitMs });
      });
      return;
    }
  }
  const serving = service.serving();
  if (request.kind === 'read' && request.stale && serving.kind !== 'refused') return reply(read(options, request.key));
  options.observed(serving.kind === 'serving' ? serving.epoch : null);
  switch (serving.kind) {
    case 'redirect':
      return reply({ kind: 'redirect', name: serving.name });
    case 'no-master':
      return reply({ kind: 'none', retryAfterMs: serving.retryAfterMs });
    case 'moving':
      return reply({ kind: 'none', retryAfterMs: 10 });
    case 'refused':
      return reply({ kind: 'none', retryAfterMs: 100 });
    default:
      if (request.kind === 'read') return reply(read(options, request.key));
      write(options, request.command, reply);
  }
}

function read({ service, appliedUpTo }: FrontOptions, key: string): ClientReply {
  const entry = service.read().get(key);
  return {
    kind: 'read',
    value: entry === null ? null : valueText(entry.value),
    revision: entry?.revision ?? 0,
    appliedUpTo: appliedUpTo(),
    mark: service.position(),
  };
}

function write({ service }: FrontOptions, command: Command, reply: (reply: ClientReply) => void): void {
  service.submit(command, (outcome) => {
    switch (outcome.kind) {
      case 'result': {
        const { result, instance } = outcome;
        return reply({ kind: 'written', result, instance, mark: service.position() });
      }
      case 'none':
        if (outcome.reason === 'level') return reply({ kind: 'level-refused' });
        if (outcome.redirect !== null) return reply({ kind: 'redirect', name: outcome.redirect.name });
        return reply({ kind: 'none', retryAfterMs: outcome.retryAfterMs });
      default:
        return reply({ kind: 'unknown' });
    }
  });
}
