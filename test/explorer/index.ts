/** The explorer for programs that bundle it themselves (`tooling/explorer-bundle.mjs`). */

export { unmetNames } from './exhaustive/fingerprint.ts';
export { movesText } from './exhaustive/moves-text.ts';
export { type Scope, scopes } from './exhaustive/scope.ts';
export { Search, type SearchOptions, type SearchResult } from './exhaustive/search.ts';
export { exploreRandom, type RandomOptions, type RandomResult } from './explore-random.ts';
