/** A command of this checkout's `paxosctl`, typed at a cell under measurement. */
import { spawn } from 'node:child_process';
import path from 'node:path';

export const executable = path.join(import.meta.dirname, '..', '..', 'bin', 'run.js');
const errorCharacters = 600;

/** Resolves with what it printed when it has ended. @throws {Error} when it did not do what it was to. */
export function operatorCommand(cell, words, env = process.env) {
  const endpoints = cell.members.map(({ host, port }) => `http://${host}:${port}`).join(',');
  const args = [executable, ...words, '--endpoints', endpoints, '--timeout', '120s'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => {
      const text = Buffer.concat(said).toString();
      if (code === 0) resolve(text);
      else reject(new Error(`${words.join(' ')} ended with ${code}: ${text.slice(0, errorCharacters)}`));
    });
  });
}
