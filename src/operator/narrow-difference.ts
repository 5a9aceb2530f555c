/**
 * Narrows a difference between two replicas to its keys: first the digests of ranges, then the entries of those that differ.
 * Both are asked for the instance of the check, so that writes meanwhile make no difference.
 */
import type {
  RangeDocument,
  RangesDocument,
  ScannedEntriesDocument,
  ScannedEntryDocument,
} from '../formats/http-body.ts';
import { getJson } from './replica-http.ts';

/** What one member has of a key; null when it has none. */
export interface KeyState {
  readonly revision: number;
  readonly createRevision: number;
  readonly version: number;
  readonly bytes: number;
  readonly digest: string;
  /** False: its contents are no longer what was written there. */
  readonly sound: boolean;
  readonly valueBase64?: string;
}

/** One key that two members hold differently, or one part of the state beside the key space (`key` is null then). */
export interface Difference {
  readonly member: string;
  readonly key: string | null;
  readonly part: RangeDocument['kind'];
  readonly has: KeyState | null;
  /** Who was compared with, and what that one has. */
  readonly other: string;
  readonly otherHas: KeyState | null;
}

interface Place {
  readonly name: string;
  readonly url: string;
}

interface Interval {
  readonly after: string | null;
  readonly to: string | null;
}

/** More keys are not listed: what then differs is no single key. */
const differencesMax = 1000;
const answerMs = 15_000;

/** What each of `odd` holds differently from `sound` at `instance`. A member that no longer tells adds nothing. */
export async function narrow(
  sound: Place,
  odd: readonly Place[],
  options: { readonly instance: number; readonly values: boolean },
): Promise<{ readonly differences: readonly Difference[]; readonly cut: boolean }> {
  const reference = await rangesOf(sound, options.instance);
  const differences: Difference[] = [];
  for (const member of odd) {
    if (reference === null || differences.length > differencesMax) break;
    const ranges = await rangesOf(member, options.instance);
    if (ranges === null) continue;
    // Who no longer tells, because it is being rebuilt or was stopped, leaves the verdict as it is.
    const found = await compare({ sound, reference }, { member, ranges }, options).catch(() => []);
    differences.push(...found);
  }
  return { differences: differences.slice(0, differencesMax), cut: differences.length > differencesMax };
}

async function compare(
  { sound, reference }: { readonly sound: Place; readonly reference: readonly RangeDocument[] },
  { member, ranges }: { readonly member: Place; readonly ranges: readonly RangeDocument[] },
  options: { readonly instance: number; readonly values: boolean },
): Promise<Difference[]> {
  const found: Difference[] = partsThatDiffer(reference, ranges).map((part) => ({
    ...{ member: member.name, key: null, part, has: null, other: sound.name, otherHas: null },
  }));
  for (const interval of intervalsThatDiffer(reference, ranges)) {
    const [has, otherHas] = await Promise.all([
      entriesOf(member, interval, options),
      entriesOf(sound, interval, options),
    ]);
    for (const key of [...new Set([...has.keys(), ...otherHas.keys()])].sort(compareKeys)) {
      const [one, other] = [has.get(key) ?? null, otherHas.get(key) ?? null];
      if (one?.digest === other?.digest) continue;
      found.push({ member: member.name, key, part: 'entries', has: one, other: sound.name, otherHas: other });
      if (found.length > differencesMax) return found;
    }
  }
  return found;
}

const identity = ({ kind, to, records, digest }: RangeDocument): string => JSON.stringify([kind, to, records, digest]);

function partsThatDiffer(a: readonly RangeDocument[], b: readonly RangeDocument[]): readonly RangeDocument['kind'][] {
  const [inA, inB] = [new Set(a.map(identity)), new Set(b.map(identity))];
  const alone = [...a.filter((it) => !inB.has(identity(it))), ...b.filter((it) => !inA.has(identity(it)))];
  return [...new Set(alone.map(({ kind }) => kind))].filter((kind) => kind !== 'entries');
}

/** The ranges of keys that one of the two has otherwise, joined where they overlap. */
export function intervalsThatDiffer(a: readonly RangeDocument[], b: readonly RangeDocument[]): readonly Interval[] {
  const [inA, inB] = [intervalsOf(a), intervalsOf(b)];
  const alone = [...inA].flatMap(([id, at]) => (inB.has(id) ? [] : [at]));
  for (const [id, at] of inB) if (!inA.has(id)) alone.push(at);
  const sorted = alone.sort((x, y) => compareStarts(x.after, y.after));
  const joined: Interval[] = [];
  for (const next of sorted) {
    const last = joined.at(-1);
    if (last === undefined || (last.to !== null && compareStarts(next.after, last.to) > 0)) joined.push(next);
    else if (last.to !== null && (next.to === null || compareKeys(next.to, last.to) > 0)) {
      joined[joined.length - 1] = { after: last.after, to: next.to };
    }
  }
  return joined;
}

/** By what identifies the range, its beginning included: the same keys cut at another place are another range. */
function intervalsOf(ranges: readonly RangeDocument[]): Map<string, Interval> {
  const found = new Map<string, Interval>();
  let after: string | null = null;
  for (const range of ranges) {
    if (range.kind !== 'entries') continue;
    found.set(JSON.stringify([after, identity(range)]), { after, to: range.to });
    after = range.to;
  }
  return found;
}

const compareStarts = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null ? -1 : b === null ? 1 : compareKeys(a, b);

/** In the order of the cell: by UTF-8 bytes. */
const compareKeys = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

async function rangesOf({ url }: Place, instance: number): Promise<readonly RangeDocument[] | null> {
  try {
    const document = await getJson(`${origin(url)}/v1/checksums/ranges?instance=${instance}`, answerMs);
    return (document as RangesDocument).ranges;
  } catch {
    return null;
  }
}

async function entriesOf(
  { url }: Place,
  { after, to }: Interval,
  { instance, values }: { readonly instance: number; readonly values: boolean },
): Promise<Map<string, KeyState>> {
  const found = new Map<string, KeyState>();
  let from = after;
  for (;;) {
    const query = new URLSearchParams({ instance: String(instance), values: String(values) });
    if (from !== null) query.set('after', from);
    if (to !== null) query.set('to', to);
    const page = (await getJson(`${origin(url)}/v1/checksums/entries?${query}`, answerMs)) as ScannedEntriesDocument;
    for (const { key, ...state } of page.entries as readonly ScannedEntryDocument[]) found.set(key, state);
    if (page.next === null) return found;
    from = page.next;
  }
}

const origin = (url: string): string => url.replace(/\/$/, '');
