/** What the commands on members need of a cell, so that tests can kill a command between any two of these calls. */
import type { MembersChangeBody, MembersChangeDocument, ReplicaStatusDocument } from '../../formats/http-body.ts';
import { currentMaster, survey } from '../cell-status.ts';
import { type CellFlags, withCell } from '../connect.ts';
import { getJson } from '../replica-http.ts';

const statusMsMax = 1_000;

export interface MembersPort {
  change(body: MembersChangeBody): Promise<MembersChangeDocument>;
  remove(name: string, options: { dryRun: boolean; allowNoSpare: boolean }): Promise<MembersChangeDocument>;
  /** What the master says of itself and of the members; null while nobody is master. */
  master(): Promise<ReplicaStatusDocument | null>;
  /** Null when nobody answers there. */
  status(url: string): Promise<ReplicaStatusDocument | null>;
  nowMs(): number;
  pause(ms: number): Promise<void>;
}

/** Runs `work` on the cell at the endpoints. */
export function withMembers<Result>(flags: CellFlags, work: (port: MembersPort) => Promise<Result>): Promise<Result> {
  return withCell(flags, (client) =>
    work({
      change: (body) => client.changeMembers(body),
      remove: (name, options) => client.removeMember(name, options),
      master: async () => {
        const { answers } = await survey(flags.endpoints, flags.timeout).catch(() => ({ answers: [] }));
        return currentMaster(answers.flatMap(({ status }) => (status === null ? [] : [status])));
      },
      status: (url) =>
        getJson(`${url.replace(/\/+$/, '')}/v1/status`, statusMsMax).then(
          (document) => document as ReplicaStatusDocument,
          () => null,
        ),
      nowMs: () => performance.now(),
      pause: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
    }),
  );
}
