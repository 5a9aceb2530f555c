/** What the driver of an upgrade shows and uses of this process. */
import path from 'node:path';
import type { Surroundings } from '../operator/upgrade/operate.ts';
import { printable } from './escape.ts';
import { ownVersion } from './own-version.ts';
import { type StepsView, stepsView } from './upgrade-view.ts';

export async function surroundings(
  root: string,
  json: boolean,
  verifySnapshot: Surroundings['verifySnapshot'],
): Promise<{ readonly around: Surroundings; readonly view: StepsView }> {
  const view = stepsView(json);
  const version = await ownVersion(root);
  return {
    view,
    around: {
      own: { version, command: [process.execPath, path.resolve(process.argv[1] ?? '')] },
      verifySnapshot,
      events: view,
      onManual: ({ member, version: wanted }) => {
        process.stderr.write(`${printable(`Now restart ${member.name} (${member.url}) with version ${wanted}.`)}\n`);
      },
    },
  };
}
