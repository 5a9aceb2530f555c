/** What `recover plan` and `recover apply` show to people. */
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { counted } from './units.ts';

interface PriceView {
  readonly revisionsAtLeast: number;
  readonly because: readonly string[];
  readonly notAsked: readonly string[];
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
  };
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
    `from   ${printable(base.member)}: epoch ${base.epoch}, instance ${base.instance}, revision ${base.revision}`,
    coloured('red', `lost   at least ${counted(price.revisionsAtLeast, 'revision')}; nobody can prove that it is all`),
    ...price.because.map((why) => `       ${printable(why)}`),
    ...(price.notAsked.length > 0
      ? [coloured('red', `unknown: what only ${price.notAsked.map(printable).join(', ')} had`)]
      : []),
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
