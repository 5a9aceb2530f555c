/** The twin of `adapters/attempts-node`: what upgrades keep on a simulated machine, durable as soon as it is answered. */
import type { AttemptFolderDocument, AttemptManifestDocument } from '../formats/upgrade-body.ts';
import type { AttemptsPort } from '../ports/attempts.ts';

export class SimulatedAttempts implements AttemptsPort {
  /** By attempt; null: files that no upgrade has put there. */
  readonly #folders = new Map<string, AttemptManifestDocument | null>();

  async list(): Promise<readonly AttemptFolderDocument[]> {
    return [...this.#folders]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([attempt, manifest]) => ({
        attempt,
        manifest,
        files: [{ name: 'manifest.json', bytes: 1, modifiedAt: new Date(0).toISOString() }],
      }));
  }

  async begin(manifest: AttemptManifestDocument): Promise<void> {
    this.#folders.set(manifest.attempt, manifest);
  }

  async clear(attempt: string): Promise<void> {
    this.#folders.delete(attempt);
  }

  /** Somebody has left something there. */
  plant(attempt: string): void {
    this.#folders.set(attempt, null);
  }

  /** Whatever has a name that begins so. */
  clearNamed(beginning: string): void {
    for (const name of [...this.#folders.keys()]) if (name.startsWith(beginning)) this.#folders.delete(name);
  }

  has(attempt: string): boolean {
    return this.#folders.has(attempt);
  }

  /** Is there anything that is not of this attempt? */
  others(attempt: string): boolean {
    return [...this.#folders.keys()].some((name) => name !== attempt);
  }

  /** As `upgrade scan --clear` does with each of them. */
  clearOthers(attempt: string | null): void {
    for (const name of [...this.#folders.keys()]) if (name !== attempt) this.#folders.delete(name);
  }
}
