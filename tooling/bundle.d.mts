/** Of what files the bundle is made, as paths from the root of the repository. */
export function bundledModules(options: { readonly outdir: string }): Promise<string[]>;
