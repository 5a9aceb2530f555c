/** What each property means, in one sentence for somebody who has just seen it violated. Source: pitfalls §4. */
const meanings: Readonly<Record<string, string>> = {
  agreement: 'Two values were chosen for one instance, or a replica took for chosen what no majority holds.',
  'ballot-discipline': 'A replica went back on a promise, or accepted below it.',
  'applied-prefix':
    'Replicas must apply what was chosen, in order and without gaps, and hold the same database after it.',
  'lease-exclusion':
    'A replica would still serve under a lease although another member has already been served as master.',
  epoch: 'An epoch belongs to one unbroken mastership, and was served in another.',
  durability: 'Something that was flushed or acknowledged is no longer on the disks that must hold it.',
  'honest-answers': 'A client was told something about its write that is not so.',
  'exactly-once': 'A write that was sent again took effect twice, or was answered differently.',
  validity: 'A value was applied that no client ever sent.',
  replay: 'The log, executed a second time by a plain database, gives another answer than a client got.',
  linearizability: 'No order of the operations explains all that clients saw.',
  position: 'A client was served an older state than it had already seen, or its mark was refused.',
  change: 'A change of the members was proposed that the one before does not allow.',
  level: 'A level came that a member did not say it speaks.',
  parting: 'A member was told that it is out, or went, before a majority had that on disk.',
  'trip-wire': 'A program went on at a level that it does not speak.',
  group: 'Two configurations in force one after the other must have no majorities without a common member.',
  bounds: 'A queue, a window or the open files grew beyond their declared limit.',
  determinism: 'Snapshots of one instance must be the same bytes everywhere.',
  stability: 'The master changed although nothing was lost.',
  redundancy: 'The status of the master must name every voter that cannot be counted on.',
  repair: 'What a disk has lost must come back from the others, so that its replica counts again.',
  lock: 'A lock was held by two who exclude each other, taken before its time, or written under when it was over.',
  session: 'A session was called expired before its time.',
  detection: 'A replica went on from a disk that it must refuse.',
  'beyond-repair': 'A cell that has lost all copies of something must stop safely and say what is lost.',
  identity: 'A start with the data of somebody else, or of nobody, must be refused by name, and change nothing.',
  recovery: 'A replica refused its own disk, although nothing that was flushed on it had been damaged.',
  invariant: 'An assertion of the product itself failed.',
  liveness: 'With all faults ended the cell must make progress within a bounded time, and did not.',
  operator: 'A command of an operator was wrong and obeyed, said what is not so, or could not be brought to its end.',
  generation: 'One generation of a cell follows another, each made once, and none by itself.',
  price: 'A generation begins without more than the operator was shown and accepted, or more was shown than there was.',
  'time-travel': 'A replica whose disk was put back to an older state must have no vote.',
  'fault-coverage': 'In a run this long every kind of fault must strike, or it proves nothing about the missing ones.',
  bug: 'Something was thrown that nobody expected.',
};

/** A sentence. */
export const meaningOf = (property: string): string => meanings[property] ?? `The property ${property} must hold.`;

/** One that can be violated. */
export const isProperty = (text: string): boolean => Object.hasOwn(meanings, text);
