import { open } from 'node:fs/promises';

/** The names in it outlive a power loss when it resolves. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
