/** How changes look as server-sent events (contract §2, `GET /v1/watch`). */
import type { Change, Revision, RevisionChanges } from '../../core/database/command.ts';
import type { ChangeDocument } from '../../formats/http-body.ts';
import { entryDocument, entryDocumentBase64 } from './entry-json.ts';
import type { Fault } from './keys.ts';

/** One revision, made into text once for all who watch it. */
export interface Framed {
  readonly revision: Revision;
  /** Events of the keys that begin with `prefix`, without the first `seen` changes of the revision; '' for none. */
  text(prefix: string, base64: boolean, seen: number): string;
}

export function frameOf({ revision, changes }: RevisionChanges): Framed {
  const utf8: string[] = [];
  const base64: string[] = [];
  const eventOf = (change: Change, at: number, inBase64: boolean): string => {
    const made = inBase64 ? base64 : utf8;
    made[at] ??= JSON.stringify(changeDocument(revision, change, inBase64));
    return made[at];
  };
  return {
    revision,
    text: (prefix, inBase64, seen) => {
      let text = '';
      let lastAt = -1;
      changes.forEach(({ key }, at) => {
        if (at >= seen && key.startsWith(prefix)) lastAt = at;
      });
      for (let at = seen; at <= lastAt; at++) {
        const change = changes[at] as Change;
        if (!change.key.startsWith(prefix)) continue;
        // Only the last one has seen the whole of the revision: whoever comes back after another one gets the rest.
        const id = at === lastAt ? `${revision}` : `${revision}.${at + 1}`;
        text += `id: ${id}\ndata: ${eventOf(change, at, inBase64)}\n\n`;
      }
      return text;
    },
  };
}

function changeDocument(revision: Revision, { key, entry }: Change, base64: boolean): ChangeDocument {
  if (entry === null) return { op: 'delete', key, revision };
  return { op: 'put', ...(base64 ? entryDocumentBase64(key, entry) : entryDocument(key, entry)) };
}

/** Nothing else of this prefix has changed up to here. */
export const progressText = (revision: Revision): string =>
  `event: progress\nid: ${revision}\ndata: {"revision":${revision}}\n\n`;

/** What `Last-Event-ID` says of what was seen: everything up to a revision, and so many changes of the next one. */
export function seenFrom(id: string): { readonly seenUpTo: Revision; readonly seenOfNext: number } | Fault {
  const [, whole, part] = /^(0|[1-9]\d{0,15})(?:\.([1-9]\d{0,4}))?$/.exec(id) ?? [];
  const revision = Number(whole);
  if (whole === undefined || !Number.isSafeInteger(revision) || (part !== undefined && revision === 0)) {
    return { code: 'PAXOS_BAD_HEADER', detail: 'Last-Event-ID is no id of an event of this watch.' };
  }
  if (part === undefined) return { seenUpTo: revision as Revision, seenOfNext: 0 };
  return { seenUpTo: (revision - 1) as Revision, seenOfNext: Number(part) };
}
