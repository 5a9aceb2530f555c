/** A small machine in which every part of the language occurs, and ways to break it. */
export const door = `# A door.
machine door: what may be done with it

states
  open (initial): one may pass
  closed: one may not pass, but open it
  locked: only a key opens it
  gone (final): it was taken away

groups
  shut: closed, locked

events
  push: somebody pushes it
  turn: somebody turns the key
  remove: somebody takes it away
  repair (later): somebody mends it

guards
  fitting: the key fits

transitions
  open: push -> closed  PML §1
  closed: push -> open  PML §1
  closed: turn when fitting -> locked  PML §2
  locked: turn when fitting -> closed  PML §2
  open, shut: remove -> gone  design §3
  open: repair -> closed  P01

ignored
  locked: push  it holds
  shut: turn otherwise  the wrong key
  shut: repair  it is open for that
  gone: every event  there is no door

impossible
  elsewhere: turn  the lock is out of reach
`;

/** Each text replaced by the one behind it. */
export type Edits = readonly (readonly [from: string, to: string])[];

export function brokenDoor(edits: Edits): string {
  return edits.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the door has no ${JSON.stringify(from)}`);
    return text.replace(from, to);
  }, door);
}
