/** @returns the path of its `bin/run.js`. */
export function buildVersion(options: {
  readonly version: string;
  readonly levels: { readonly min: number; readonly max: number };
  readonly folder: string;
}): Promise<string>;
