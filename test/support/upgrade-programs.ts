/** What tests of killed upgrades run: other versions of this tree, and the driver of an upgrade as a process that can be killed. */
import { afterAll, beforeAll } from 'vitest';
import { type BundledProgram, bundleProgram } from './bundle-program.ts';
import { buildNewVersion, type OtherVersion } from './upgrade-cell.ts';

export interface UpgradePrograms {
  readonly others: readonly OtherVersion[];
  readonly driver: BundledProgram;
}

/** Built before the first test of the file and removed after its last; not to be asked before. */
export function upgradePrograms(versions: readonly string[]): UpgradePrograms {
  const others: OtherVersion[] = [];
  let driver: BundledProgram | null = null;
  beforeAll(async () => {
    for (const version of versions) others.push(await buildNewVersion(version));
    driver = await bundleProgram('upgrade-driver.ts');
  });
  afterAll(() => {
    for (const other of others) other.remove();
    driver?.remove();
  });
  return {
    others,
    get driver(): BundledProgram {
      if (driver === null) throw new Error('The driver is built before the first test.');
      return driver;
    },
  };
}
