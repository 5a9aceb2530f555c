/** What the hunters have in common: one seed after the other until one fails, told line by line on standard output. */

/** A seed that failed. */
export interface Catch {
  readonly property: string;
  readonly message: string;
}

export type HuntLine =
  | { readonly kind: 'at'; readonly seed: number; readonly done: number }
  | ({ readonly kind: 'caught'; readonly seed: number; readonly done: number; readonly seconds: number } & Catch)
  | { readonly kind: 'ended'; readonly done: number; readonly seconds: number };

const say = (line: HuntLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

/** Arguments of the process: first seed, seconds, the most seeds. Seconds are those of the processor: others may need it too. */
export async function hunt(tryOne: (seed: number) => Promise<Catch | null> | Catch | null): Promise<void> {
  const [first, secondsMax, seedsMax] = process.argv.slice(2).map(Number) as [number, number, number];
  const seconds = (): number => {
    const { user, system } = process.cpuUsage();
    return Math.round((user + system) / 1e5) / 10;
  };
  let toldMs = Number.NEGATIVE_INFINITY;
  let done = 0;
  for (; done < seedsMax && seconds() < secondsMax; done++) {
    const seed = first + done;
    // Not every one: thousands a second would be mostly output.
    if (performance.now() - toldMs > 200) {
      say({ kind: 'at', seed, done });
      toldMs = performance.now();
    }
    const caught = await tryOne(seed);
    if (caught === null) continue;
    say({ kind: 'caught', seed, done: done + 1, seconds: seconds(), ...caught });
    return;
  }
  say({ kind: 'ended', done, seconds: seconds() });
}
