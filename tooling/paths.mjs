/** Where things are, and how tooling speaks. Node built-ins only: this runs before anything is installed. */
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');
export const at = (...parts) => path.join(root, ...parts);

/** Progress goes to stderr: stdout belongs to results. */
export const say = (text) => process.stderr.write(`${text}\n`);
