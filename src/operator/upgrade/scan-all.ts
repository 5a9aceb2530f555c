/** What attempts have left on all members: before an upgrade, before each member's turn, and whenever an operator asks (design §6.6). */
import { OperatorError } from '../../errors/index.ts';
import type { Attempt } from './journal.ts';
import { type Finding, residue } from './preflight.ts';
import type { VerifiedScan } from './verified-scan.ts';
import type { UpgradeWorld } from './world.ts';

/** Who could not be asked is a finding too. */
export async function scanAll(
  world: UpgradeWorld,
  members: readonly { readonly name: string; readonly url: string }[],
): Promise<{ readonly scans: readonly VerifiedScan[]; readonly findings: readonly Finding[] }> {
  const scans: VerifiedScan[] = [];
  const findings: Finding[] = [];
  await Promise.all(
    members.map(async (member) => {
      const unknown = (why: string): void => {
        const problem = `did not say what attempts have left there: ${why}`;
        findings.push({ check: 'residue', member: member.name, problem, passing: false, unknown: true });
      };
      try {
        const scan = await world.scan(member);
        if (scan.member === member.name) scans.push(scan);
        else unknown(`${scan.member} answers at ${member.url}`);
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        unknown(error.message);
      }
    }),
  );
  return { scans: scans.sort((a, b) => (a.member < b.member ? -1 : 1)), findings };
}

/** Of attempts other than this one; a member that could not be asked is a finding too, also where nobody answers who names them. */
export async function foreignResidue(
  world: UpgradeWorld,
  { attempt, members: known }: Pick<Attempt, 'attempt' | 'members'>,
): Promise<readonly Finding[]> {
  const { members } = await world.see(known);
  const { findings, scans } = await scanAll(
    world,
    members.map(({ member }) => member),
  );
  return [...residue(scans, attempt), ...findings];
}
