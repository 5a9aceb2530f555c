/** All errors that operators see, and the catalogue of their codes. */
export * from './catalogue.ts';
export * from './cell-errors.ts';
export * from './operator-error.ts';
export * from './problem.ts';
export * from './start-errors.ts';
