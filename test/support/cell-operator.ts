/** An operator at a cell of real processes, with a machine of its own: what it types runs in the folder of the cell. */
import path from 'node:path';
import { type CliResult, cli } from '../commands/run-cli.ts';
import type { CellProcess } from './cell-process.ts';

export function operatorOf(cell: CellProcess): (...args: string[]) => Promise<CliResult> {
  const env = {
    XDG_STATE_HOME: path.join(cell.folder, 'operator'),
    PAXOSCTL_ENDPOINTS: cell.urls.join(','),
    PAXOSCTL_TIMEOUT: '15s',
  };
  return (...args) => cli(args, { env, cwd: cell.folder });
}
