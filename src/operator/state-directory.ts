/** Where `paxosctl` keeps what it must remember between two commands (contract §1). */
import os from 'node:os';
import path from 'node:path';

/** `$XDG_STATE_HOME/paxosctl`, by default `~/.local/state/paxosctl`. It need not exist yet. */
export function stateDirectory(env: NodeJS.ProcessEnv = process.env): string {
  // A relative path is to be ignored, says the XDG Base Directory Specification.
  const given = env.XDG_STATE_HOME ?? '';
  const base = path.isAbsolute(given) ? given : path.join(os.homedir(), '.local', 'state');
  return path.join(base, 'paxosctl');
}
