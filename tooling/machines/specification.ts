/** What one `*.machine` file says, name by name, as it stands there. `check.ts` turns it into a machine. */

/** From 1, as editors count. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Name {
  readonly name: string;
  readonly at: Place;
}

export interface Text {
  readonly text: string;
  readonly at: Place;
}

export interface StateDeclaration extends Name {
  readonly mark: 'initial' | 'final' | null;
  readonly meaning: string;
}

export interface EventDeclaration extends Name {
  /** Declared, but fed by nobody yet: the feature that will feed it is not built. */
  readonly later: boolean;
  readonly meaning: string;
}

export interface GuardDeclaration extends Name {
  readonly meaning: string;
}

export interface GroupDeclaration extends Name {
  /** States, and groups declared above. */
  readonly states: readonly Name[];
}

export type From =
  | { readonly kind: 'named'; readonly names: readonly Name[] }
  | { readonly kind: 'every'; readonly except: readonly Name[]; readonly at: Place }
  /** Wherever no other rule names the event. */
  | { readonly kind: 'elsewhere'; readonly at: Place };

export interface Literal extends Name {
  readonly negated: boolean;
}

export type Condition =
  | { readonly kind: 'when'; readonly literals: readonly Literal[]; readonly at: Place }
  | { readonly kind: 'otherwise'; readonly at: Place };

export interface Rule {
  readonly kind: 'transition' | 'ignored' | 'impossible';
  readonly from: From;
  readonly events: readonly Name[] | 'every';
  readonly condition: Condition | null;
  /** Of a transition. */
  readonly to: Name | null;
  /** The section of the paper or design; the reason why nothing moves. */
  readonly source: Text;
}

export interface Specification {
  readonly name: string;
  readonly meaning: string;
  readonly statesAt: Place;
  readonly states: readonly StateDeclaration[];
  readonly groups: readonly GroupDeclaration[];
  readonly events: readonly EventDeclaration[];
  readonly guards: readonly GuardDeclaration[];
  readonly rules: readonly Rule[];
}
