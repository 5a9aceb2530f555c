/**
 * What replicas ask each other about the membership, as JSON under `/peer/v1/`. Whoever asks a replica that is no member yet
 * proves the operator's secret, where there is one; between members it is the cell's.
 *
 * Nothing that comes in is believed to have the right shape before it was looked at.
 */
import type { ConfigurationFrom } from '../../core/consensus/configuration.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { memberNamePattern } from '../../core/consensus/identity.ts';
import { isLevels, type LevelRange } from '../../formats/levels.ts';
import type { CellIdentity } from '../../formats/manifest.ts';

export const paths = {
  /** Any replica: who are you, and what lies on your disk? */
  identity: '/peer/v1/identity',
  /** A replica that waits, of a member: am I admitted? */
  join: '/peer/v1/join',
  /** The master, of a member: how are you? */
  condition: '/peer/v1/condition',
  /** The master, of a voter: does this replica answer you? */
  probe: '/peer/v1/probe',
  /** One that rebuilds, of the master: may I vote? */
  promotion: '/peer/v1/promotion',
  /** A member, of one that does not know it yet: this is my address. */
  introduction: '/peer/v1/introduction',
} as const;

export interface IdentityDocument {
  readonly name: string;
  /** Drawn by each process: tells whether two answers come from the same one. */
  readonly token: string;
  readonly version: string;
  /** That its program speaks. */
  readonly levels: LevelRange;
  /** `waiting`: to be admitted; `founding`: with others that have nothing yet; `member`: of `cell`. */
  readonly state: 'waiting' | 'founding' | 'opening' | 'member';
  readonly cell: string | null;
}

export interface JoinQuestion {
  readonly name: string;
  readonly token: string;
  /**
   * The incarnation that has ended, 0 when nobody remembers its number: its disk is lost, older than what was
   * acknowledged, or damaged, and its owner wants it rebuilt. Absent without `--rebuild`.
   */
  readonly rebuild?: { readonly incarnation: number; readonly why: string };
}

export interface AdmissionDocument {
  readonly cell: CellIdentity;
  /** In force now. */
  readonly level: number;
  /** At which the cell was formed; 1 where absent, as older versions say it. */
  readonly formedLevel?: number;
  /** With which the cell was formed: its log begins there. */
  readonly configurations: readonly ConfigurationFrom[];
  readonly incarnation: number;
  /** Whom to reach now. */
  readonly members: readonly Acquaintance[];
}

export interface Acquaintance {
  readonly id: ReplicaId;
  readonly url: string;
}

export type JoinAnswer =
  | { readonly kind: 'admitted'; readonly document: AdmissionDocument }
  /** Who decides is elsewhere. */
  | { readonly kind: 'elsewhere'; readonly url: string }
  | { readonly kind: 'wait'; readonly reason: string; readonly urls: readonly string[] }
  /** This member has served: what it had is lost. */
  | { readonly kind: 'lost'; readonly cell: string; readonly incarnation: number; readonly appliedUpTo: number }
  /** The cell has no member of this name. */
  | { readonly kind: 'stranger'; readonly reason: string; readonly urls: readonly string[] };

/** Log chain and database checksum at one instance. */
export type DigestAt = readonly [instance: number, log: string, database: string];

export interface ConditionDocument {
  readonly id: ReplicaId;
  readonly participation: string;
  readonly appliedUpTo: number;
  /** It has made something durable since it was asked. What hangs there does not show in anything else that it says. */
  readonly durable: boolean;
  readonly version: string;
  /** That its program speaks. */
  readonly levels: LevelRange;
  readonly digests: readonly DigestAt[];
}

export interface ProbeQuestion {
  readonly url: string;
  readonly name: string;
  readonly token: string;
}

export interface ProbeAnswer {
  readonly name: string;
  /** Null when it answers as the one that was meant. */
  readonly problem: string | null;
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 4096;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isName = (value: unknown): value is string => typeof value === 'string' && memberNamePattern.test(value);
const isList = <Item>(value: unknown, is: (item: unknown) => item is Item): value is Item[] =>
  Array.isArray(value) && value.every(is);

export const isIdentity = (value: unknown): value is IdentityDocument =>
  isObject(value) &&
  isName(value.name) &&
  isText(value.token) &&
  isText(value.version) &&
  isLevels(value.levels) &&
  isText(value.state) &&
  (value.cell === null || isText(value.cell));

export function isJoinQuestion(value: unknown): value is JoinQuestion {
  if (!isObject(value) || !isName(value.name) || !isText(value.token)) return false;
  const { rebuild } = value;
  return rebuild === undefined || (isObject(rebuild) && isCount(rebuild.incarnation) && isText(rebuild.why));
}

export const isAcquaintance = (value: unknown): value is Acquaintance =>
  isObject(value) && isText(value.id) && /^[^#]+#\d+$/.test(value.id) && isText(value.url);

export function isJoinAnswer(value: unknown): value is JoinAnswer {
  if (!isObject(value)) return false;
  switch (value.kind) {
    case 'admitted':
      return isAdmission(value.document);
    case 'elsewhere':
      return isText(value.url);
    case 'wait':
    case 'stranger':
      return isText(value.reason) && isList(value.urls, isText);
    case 'lost':
      return isText(value.cell) && isCount(value.incarnation) && isCount(value.appliedUpTo);
    default:
      return false;
  }
}

function isAdmission(value: unknown): value is AdmissionDocument {
  if (!isObject(value) || !isObject(value.cell)) return false;
  const { id, name, generation, secretHex } = value.cell;
  return (
    isText(id) &&
    isText(name) &&
    isCount(generation) &&
    isText(secretHex) &&
    isCount(value.level) &&
    (value.formedLevel === undefined || isCount(value.formedLevel)) &&
    isCount(value.incarnation) &&
    isList(value.members, isAcquaintance) &&
    isList(value.configurations, isConfigurationFrom)
  );
}

function isConfigurationFrom(value: unknown): value is ConfigurationFrom {
  if (!isObject(value) || !isCount(value.from) || !isObject(value.configuration)) return false;
  const { members, alpha, leaseMs, driftPpm } = value.configuration;
  return isCount(alpha) && isCount(leaseMs) && isCount(driftPpm) && isList(members, isMember);
}

const isMember = (value: unknown): value is ConfigurationFrom['configuration']['members'][number] =>
  isObject(value) &&
  isName(value.name) &&
  isCount(value.incarnation) &&
  isText(value.url) &&
  (value.role === 'voter' || value.role === 'learner' || value.role === 'rebuilding');

const isDigest = (value: unknown): value is DigestAt =>
  Array.isArray(value) && value.length === 3 && isCount(value[0]) && isText(value[1]) && isText(value[2]);

export const isCondition = (value: unknown): value is ConditionDocument =>
  isObject(value) &&
  isText(value.id) &&
  isText(value.participation) &&
  isCount(value.appliedUpTo) &&
  typeof value.durable === 'boolean' &&
  isText(value.version) &&
  isLevels(value.levels) &&
  isList(value.digests, isDigest);

export const isProbeQuestion = (value: unknown): value is ProbeQuestion =>
  isObject(value) && isText(value.url) && isName(value.name) && isText(value.token);

export const isProbeAnswer = (value: unknown): value is ProbeAnswer =>
  isObject(value) && isName(value.name) && (value.problem === null || isText(value.problem));
