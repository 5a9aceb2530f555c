/** Says at once, in one sentence, that Node.js is too old, instead of failing somewhere later. */
import { say } from './paths.mjs';

const [major, minor] = process.versions.node.split('.').map(Number);
const good = major >= 24 || (major === 22 && minor >= 13) || (major === 20 && minor >= 19);
if (!good) {
  say(`paxosctl needs Node.js 20.19+, 22.13+ or 24+; this is ${process.version}.`);
  process.exit(1);
}
