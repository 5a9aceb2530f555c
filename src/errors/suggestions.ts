/** What to run next where the code and the facts of an error alone tell it: whole commands that work when pasted. */

export function suggestionsFor(code: string, facts: Readonly<Record<string, unknown>>): readonly string[] {
  const key = typeof facts.key === 'string' ? facts.key : null;
  switch (code) {
    case 'PAXOS_KEY_NOT_FOUND':
      return [key === null ? 'paxosctl kv list' : `paxosctl kv list --prefix=${shellWord(key)}`];
    case 'PAXOS_CONDITION_FAILED':
    case 'PAXOS_OUTCOME_UNKNOWN':
      return [
        key === null ? 'paxosctl status' : `paxosctl kv get ${key.startsWith('-') ? '-- ' : ''}${shellWord(key)}`,
      ];
    case 'PAXOS_TRANSFER_FAILED':
      return ['paxosctl master status'];
    case 'PAXOS_CELL_FROZEN':
      return ['paxosctl status', 'paxosctl recover plan --keep-present'];
    case 'PAXOS_GENERATION_CHANGED':
      return [
        'paxosctl status',
        ...(typeof facts.generation === 'number'
          ? [`paxosctl kv get KEY --accept-generation ${facts.generation}`]
          : []),
      ];
    case 'PAXOS_MEMBER_UNKNOWN':
      return ['paxosctl status'];
    default:
      return [];
  }
}

/** As a POSIX shell takes it for one word. */
function shellWord(text: string): string {
  return /^[\w/.:@%+,=][\w/.:@%+,=-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
