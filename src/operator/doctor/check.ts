/**
 * What a check is: a question that is asked of facts, never of the world, so that the same list serves `doctor` on a live cell,
 * `doctor --data-dir` on files, and whoever else must know that all is well before going on.
 */

/** Worst last. `not-checked`: the facts do not tell; it is neither well nor wrong. */
export const levels = ['ok', 'not-checked', 'warn', 'fail'] as const;
export type Level = (typeof levels)[number];

export interface Finding {
  readonly level: Exclude<Level, 'ok'>;
  /** Whom it is about; null: the cell. */
  readonly member: string | null;
  /** One sentence with the facts, without a full stop. */
  readonly text: string;
  /** What to know before the command is run; empty when the command says it all. */
  readonly advice: string;
  /** A whole command; what only the operator knows stands in capitals. */
  readonly fix: string;
}

export interface Check<Facts> {
  /** Stable: for scripts, and for whoever leaves one out. */
  readonly id: string;
  /** What is right when it is. */
  readonly what: string;
  look(facts: Facts): readonly Finding[];
}

export interface Examined {
  readonly id: string;
  readonly what: string;
  readonly level: Level;
  readonly findings: readonly Finding[];
}

export const examine = <Facts>(checks: readonly Check<Facts>[], facts: Facts): readonly Examined[] =>
  checks.map((check) => {
    const findings = check.look(facts);
    return { id: check.id, what: check.what, level: worst(findings), findings };
  });

export const worst = (findings: readonly { readonly level: Level }[]): Level =>
  findings.reduce<Level>((top, { level }) => (levels.indexOf(level) > levels.indexOf(top) ? level : top), 'ok');

interface Found {
  readonly text: string;
  readonly fix: string;
  readonly member?: string;
  readonly advice?: string;
}

const finding =
  (level: Finding['level']) =>
  ({ text, fix, member, advice }: Found): Finding => ({
    level,
    member: member ?? null,
    text,
    advice: advice ?? '',
    fix,
  });

/** It costs fault tolerance now, or will soon. */
export const fail = finding('fail');
/** It does not hurt yet, or only when something else fails. */
export const warn = finding('warn');
export const notChecked = finding('not-checked');
