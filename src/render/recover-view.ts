/** What `recover plan` and `recover apply` show to people. */
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { counted } from './units.ts';

interface PriceView {
  readonly revisionsAtLeast: number;
  readonly because: readonly string[];
  readonly notAsked: readonly string[];
  readonly unknown: readonly string[];
}

interface PlanView {
  readonly cell: { readonly name: string };
  readonly from: { readonly generation: number };
  readonly to: { readonly generation: number };
  readonly base: {
    readonly member: string;
    readonly epoch: number;
    readonly instance: number;
    readonly revision: number;
    readonly collected: boolean;
    readonly generation: number;
    readonly further: number;
  };
  readonly lost: readonly string[];
  readonly takesPart: readonly string[];
  readonly price: PriceView;
  readonly hash: string;
}

export function showPlan(plan: PlanView, file: string): Promise<void> {
  const { cell, from, to, base, price } = plan;
  const accept = [
    price.because.length > 0 ? ` --accept-loss ${price.revisionsAtLeast}` : '',
    price.notAsked.length > 0 ? ` --accept-unknown-loss ${price.notAsked.map(printable).join(',')}` : '',
  ].join('');
  const lines = [
    `cell ${printable(cell.name)}: generation ${from.generation} would go on as generation ${to.generation}`,
    `from   ${printable(base.member)}${base.collected ? ' (a collected copy)' : ''}${
      base.generation > from.generation ? ` (the state that it is ready with for generation ${base.generation})` : ''
    }: epoch ${base.epoch}, instance ${base.instance}, revision ${base.revision}`,
    ...(base.further > 0
      ? [`       and ${counted(base.further, 'instance')} beyond it that may have been chosen`]
      : []),
    `with   ${plan.takesPart.map(printable).join(', ')}${plan.lost.length > 0 ? `; lost: ${plan.lost.map(printable).join(', ')}` : ''}`,
    coloured('red', `lost   at least ${counted(price.revisionsAtLeast, 'revision')}; nobody can prove that it is all`),
    ...price.because.map((why) => `       ${printable(why)}`),
    ...(price.notAsked.length > 0
      ? [coloured('red', `unknown: what only ${price.notAsked.map(printable).join(', ')} had`)]
      : []),
    ...price.unknown.map((why) => `       ${printable(why)}`),
    `plan   ${printable(file)} (${plan.hash.slice(0, 16)}…)`,
    '',
    'Newer copies of the data directories, put back in place of these, would lose nothing. Otherwise:',
    `  paxosctl recover apply ${printable(file)} --confirm ${printable(cell.name)}${accept}`,
  ];
  return writeResult(`${lines.join('\n')}\n`);
}

interface AppliedView {
  readonly cell: { readonly name: string };
  readonly generation: number;
  readonly members: readonly string[];
  readonly dryRun: boolean;
}

export function showApplied({ cell, generation, members, dryRun }: AppliedView): Promise<void> {
  const names = members.map(printable).join(', ');
  if (dryRun) return writeResult(`cell ${printable(cell.name)} would go on in generation ${generation} on ${names}\n`);
  return writeResult(
    `cell ${printable(cell.name)} goes on in generation ${generation} on ${names}\n` +
      `clients that have seen what was given up: --accept-generation ${generation}\n`,
  );
}

interface CollectedView {
  readonly folder: string;
  readonly collected: readonly {
    readonly member: string;
    readonly generation: number;
    readonly epoch: number;
    readonly instance: number;
    readonly revision: number;
    readonly accepted: number;
    readonly directory: string | null;
    readonly startable: boolean;
    readonly notes: readonly string[];
  }[];
  readonly unanswered: readonly { readonly name: string; readonly why: string }[];
}

export function showCollected({ folder, collected, unanswered }: CollectedView): Promise<void> {
  const lines = [
    ...collected.flatMap((it) => [
      `${printable(it.member)}: generation ${it.generation}, epoch ${it.epoch}, instance ${it.instance}, revision ${it.revision}, ` +
        `${counted(it.accepted, 'instance')} accepted beyond`,
      ...(it.directory === null
        ? []
        : [it.startable ? '  a replica could be started on it' : coloured('red', '  no replica can be started on it')]),
      ...it.notes.map((note) => `  ${printable(note)}`),
    ]),
    ...unanswered.map(({ name, why }) => coloured('red', `${printable(name)}: ${printable(why)}`)),
    '',
    'If a majority is lost for good:',
    `  paxosctl recover plan --lost MEMBER[,MEMBER] --collected ${printable(folder)}`,
  ];
  return writeResult(`${lines.join('\n')}\n`);
}

interface VerifiedView {
  readonly ok: boolean;
  readonly verdict: string;
  readonly cell: { readonly name: string };
  readonly generation: number;
  readonly members: readonly { readonly name: string; readonly step: string; readonly role: string | null }[];
  readonly checksums: { readonly verdict: string; readonly instance: number } | null;
}

export function showVerified(verified: VerifiedView, file: string): Promise<void> {
  const { ok, verdict, cell, generation, members, checksums } = verified;
  const lines = [
    coloured(ok ? 'green' : 'red', `generation ${generation} of cell ${printable(cell.name)}: ${verdict}`),
    ...members.map(({ name, step, role }) => `  ${printable(name)}: ${step}${role === null ? '' : `, ${role}`}`),
    ...(checksums === null ? [] : [`  databases at instance ${checksums.instance}: ${checksums.verdict}`]),
    ...(verdict === 'begun' || verdict === 'not-begun'
      ? [
          '',
          'It is not carried out yet:',
          `  paxosctl recover apply ${printable(file)} --confirm ${printable(cell.name)}`,
        ]
      : []),
  ];
  return writeResult(`${lines.join('\n')}\n`);
}
