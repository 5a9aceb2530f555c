/**
 * Why `node start` did not start, or stopped: exit codes 20 to 28 (contract §1). Files are never touched on the way.
 */
import { OperatorError } from './operator-error.ts';

/** Exit 20: the directory is empty, and the cell knows this member: its disk was lost. */
export class DataDirectoryLostError extends OperatorError {
  /** `expected`: only the command line says that there was more. */
  constructor(facts: { directory: string; member: string; cell: string; servedUpTo?: number; expected?: true }) {
    const { cell, directory, expected, member, servedUpTo } = facts;
    const upTo = servedUpTo === undefined ? '' : ` up to instance ${servedUpTo}`;
    super(
      'PAXOS_DATA_DIRECTORY_LOST',
      expected === true
        ? `Data directory ${directory} is empty, and --expect-cell ${cell} forbids member ${member} to form a new cell.`
        : `Data directory ${directory} is empty, but member ${member} served cell ${cell}${upTo}.`,
      { facts, suggestions: ['paxosctl status', `paxosctl node start --name ${facts.member} … --rebuild`] },
    );
  }
}

/** Exit 20: the directory is older than what this member acknowledged. `evidence` says who remembers what. */
export class DataRolledBackError extends OperatorError {
  constructor(facts: { directory: string; member: string; evidence: string }) {
    super(
      'PAXOS_DATA_ROLLED_BACK',
      `Data directory ${facts.directory} of member ${facts.member} is older than what it acknowledged: ${facts.evidence.replace(/\.$/, '')}.`,
      {
        facts,
        suggestions: [
          'paxosctl status',
          // Also right for one that is being rebuilt already, of which `members rebuild` has nothing to say.
          `paxosctl node start --name ${facts.member} … --rebuild`,
          `paxosctl members rebuild ${facts.member}`,
        ],
      },
    );
  }
}

/** Exit 21: files that the manifest does not name. */
export class LeftoverFilesError extends OperatorError {
  constructor(facts: {
    directory: string;
    /** One line each, for people. */
    files: readonly string[];
    details?: readonly { name: string; bytes: number; modifiedAt: string; what: string }[];
  }) {
    const shown = facts.files.slice(0, 10).join('; ');
    const more = facts.files.length > 10 ? `; and ${facts.files.length - 10} more` : '';
    super(
      'PAXOS_LEFTOVER_FILES',
      `Data directory ${facts.directory} holds files that do not belong, and none of them was read as data: ${shown}${more}.`,
      {
        facts,
        suggestions: [`paxosctl verify data-dir ${facts.directory}`, 'paxosctl node start … --quarantine-leftovers'],
      },
    );
  }
}

/** Exit 22: written by a version or level that this one does not know, or the rehearsal failed. */
export class VersionRefusedError extends OperatorError {
  constructor(facts: { directory: string; found: string; supported: string }) {
    super(
      'PAXOS_VERSION_REFUSED',
      `Data directory ${facts.directory} is of ${facts.found}; this version supports ${facts.supported}. The data is as it was.`,
      { facts, suggestions: ['paxosctl upgrade status', 'paxosctl upgrade history'] },
    );
  }
}

/** What a version found when it tried itself on the data of a member. */
export interface RehearsalFacts {
  readonly directory: string;
  readonly member: string;
  readonly version: string;
  readonly lastVersion: string;
  readonly instance: number;
  readonly problem: string;
}

/** Exit 22: a version may not run on this data directory, which is as it was. */
class RehearsalError extends OperatorError {
  constructor(message: string, facts: RehearsalFacts, cause: unknown) {
    const suggestions = [`paxosctl verify data-dir ${facts.directory}`, 'paxosctl upgrade status'];
    super('PAXOS_VERSION_REFUSED', `${message} The data is as it was.`, { facts: { ...facts }, cause, suggestions });
  }
}

/** Exit 22: this version made something else of the data than the version before it had recorded. */
export class RehearsalFailedError extends RehearsalError {
  constructor(facts: RehearsalFacts, cause?: unknown) {
    const { directory, instance, lastVersion, problem, version } = facts;
    super(
      `Version ${version} does not make of data directory ${directory} what version ${lastVersion} recorded: at instance ${instance} ${problem}.`,
      facts,
      cause,
    );
  }
}

/** Exit 22: what the version before had recorded cannot be replayed, because the log is not whole any more. */
export class RehearsalImpossibleError extends RehearsalError {
  constructor(facts: RehearsalFacts, cause?: unknown) {
    const { directory, lastVersion, problem, version } = facts;
    super(
      `Version ${version} cannot compare what it makes of data directory ${directory}: ${problem}. Start version ${lastVersion} on it, which fetches what is missing from the other members, and change the version then.`,
      facts,
      cause,
    );
  }
}

/** Exit 23: the cell no longer has this member. */
const notKnown =
  ' It could not learn whether a majority of the others has that on disk: keep its directory until they serve, and start it again if they find no master.';

export class MemberRemovedError extends OperatorError {
  /** `known`: a majority of those that are left has it on disk; until then this directory may be what they find it out from. */
  constructor({
    known = true,
    ...facts
  }: { member: string; incarnation: number; cell: string; directory?: string; known?: boolean }) {
    const { directory, member } = facts;
    // To come back it needs an empty directory: what this one promised and accepted is nobody's any more.
    const aside = directory === undefined ? [] : [`mv ${directory} ${directory}.removed`];
    super(
      'PAXOS_MEMBER_REMOVED',
      `Member ${member} (incarnation ${facts.incarnation}) was removed from cell ${facts.cell}.${known ? '' : notKnown}`,
      {
        facts: { ...facts, known },
        suggestions: known
          ? ['paxosctl members list', ...aside, `paxosctl members add ${member} --url URL`]
          : ['paxosctl members list', 'paxosctl status'],
      },
    );
  }
}

/** Exit 23: the cell went on in a newer generation, without this directory. Its files are kept. */
export class GenerationOverError extends OperatorError {
  constructor(facts: { member: string; cell: string; generation: number; newer: number; directory: string }) {
    super(
      'PAXOS_GENERATION_OVER',
      `Data directory ${facts.directory} of member ${facts.member} is of generation ${facts.generation} of cell ${facts.cell}, ` +
        `which went on in generation ${facts.newer} without it.`,
      { facts, suggestions: ['paxosctl status', `ls -l ${facts.directory}`] },
    );
  }
}

/** Exit 24: the directory of another cell or member. */
export class DataDirectoryForeignError extends OperatorError {
  constructor(facts: { directory: string; what: 'cell' | 'member'; found: string; expected: string }) {
    super(
      'PAXOS_DATA_DIRECTORY_FOREIGN',
      `Data directory ${facts.directory} belongs to ${facts.what} ${facts.found}, not to ${facts.expected}.`,
      {
        facts,
        suggestions: facts.what === 'member' ? [`paxosctl node start --name ${facts.found} …`] : ['paxosctl status'],
      },
    );
  }
}

/**
 * Exit 25: corrupt or unreadable, and not repairable alone. `where` names file and offset when they are known. `denied`: whoever started it
 * may not look; what lies there may be sound, and nothing is rebuilt for it.
 */
export class DataCorruptError extends OperatorError {
  constructor(facts: { directory: string; where: string; what: string; denied?: true }, cause?: unknown) {
    const { denied, directory, what, where } = facts;
    const state = denied === true ? 'cannot be used' : 'is damaged';
    super('PAXOS_DATA_CORRUPT', `Data directory ${directory} ${state}: ${where === '' ? '' : `${where}: `}${what}.`, {
      facts,
      cause,
      suggestions:
        denied === true
          ? [`ls -lan ${directory}`]
          : [`paxosctl verify data-dir ${directory}`, 'paxosctl node start … --rebuild'],
    });
  }
}

/** Exit 24: `--witness` leads to the witness of another cell or member. */
export class WitnessForeignError extends OperatorError {
  constructor(facts: { witness: string; found: string; expected: string }) {
    super('PAXOS_WITNESS_FOREIGN', `Witness ${facts.witness} is of ${facts.found}, not of ${facts.expected}.`, {
      facts,
      suggestions: [`ls -l ${facts.witness}`],
    });
  }
}

/** Exit 25: what lies at `--witness` tells nothing. The data directory is sound, and nobody is rebuilt for it. */
export class WitnessUnusableError extends OperatorError {
  constructor(facts: { witness: string; what: string }, cause?: unknown) {
    super('PAXOS_WITNESS_UNUSABLE', `Witness ${facts.witness} ${facts.what}. It is left as it is.`, {
      facts,
      cause,
      // What it remembered is given up with it; the other members remember too.
      suggestions: ['paxosctl status', `mv ${facts.witness} ${facts.witness}.bad`],
    });
  }
}

/** Exit 26. `cause` says what there was no room for. */
export class DiskFullError extends OperatorError {
  constructor(facts: { directory: string }, cause?: unknown) {
    const { directory } = facts;
    const what = cause instanceof Error ? `: ${cause.message.replace(/\.$/, '')}` : '';
    super('PAXOS_DISK_FULL', `The disk of ${directory} is full${what}.`, {
      facts,
      cause,
      suggestions: [`df -h ${directory}`],
    });
  }
}

/** Exit 27: in use, or no address of this machine. `cause` says which. */
export class AddressInUseError extends OperatorError {
  constructor(facts: { host: string; port: number }, cause?: unknown) {
    const { host, port } = facts;
    const { code } = (cause ?? {}) as { code?: string };
    const [why, next] =
      code === 'EADDRNOTAVAIL'
        ? ['it is no address of this machine', 'ip -brief address']
        : code === 'EACCES'
          ? ['this user may not do that', 'id']
          : ['it is in use', `ss -ltnp 'sport = :${port}'`];
    const message = `Address ${host}:${port} cannot be listened on: ${why}.`;
    super('PAXOS_ADDRESS_IN_USE', message, { facts, cause, suggestions: [next] });
  }
}

/** Exit 28: another process holds the directory. */
export class DataDirectoryInUseError extends OperatorError {
  constructor(facts: { directory: string; pid?: number }, cause?: unknown) {
    const by = facts.pid === undefined ? 'another process' : `process ${facts.pid}`;
    super('PAXOS_DATA_DIRECTORY_IN_USE', `Data directory ${facts.directory} is in use by ${by}.`, {
      facts,
      cause,
      suggestions: [facts.pid === undefined ? "pgrep -af -- '--data-dir'" : `ps -fp ${facts.pid}`],
    });
  }
}
