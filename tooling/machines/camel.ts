/** `handing-over` as `handingOver`: a name of a specification in the code. */
export const camel = (name: string): string =>
  name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
