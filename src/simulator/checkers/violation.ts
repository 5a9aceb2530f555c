/** A property that must always hold did not: the seed has found a bug, in the cell or in its checker. */
export class Violation extends Error {
  /** Short name of the property, such as `agreement`. */
  readonly property: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(property: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(`${property}: ${message}`);
    this.name = 'Violation';
    this.property = property;
    this.details = details;
  }
}
