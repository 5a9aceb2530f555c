/**
 * Table 1 of Paxos Made Live (§8) as rows, beside the figures that it prints.
 *
 * A worker creates a file, waits for the acknowledgement and creates it again: one database write an operation. The
 * paper ran five Pentium-class servers in 2007 with the whole of Chubby around the database, which held 100 MB.
 */

const rate = (result) => result.operations / result.seconds;

function creators({ id, workers, bytes, size, paper, threeDb }) {
  const inKilobytes = bytes > 1000;
  const label = `create, ${workers} worker${workers === 1 ? '' : 's'}, ${size}`;
  return {
    id,
    title: label,
    load: { operation: 'put', connections: workers, letter: 'p', keysEach: 1, valueBytes: bytes },
    metrics: [
      {
        id,
        label,
        unit: inKilobytes ? 'KB/s' : '/s',
        better: 'more',
        of: inKilobytes ? (result) => (rate(result) * bytes) / 1000 : rate,
        goal: null,
        paper,
        threeDb,
      },
    ],
  };
}

export const paperRows = [
  creators({ id: 't1-1x5', workers: 1, bytes: 5, size: '5 bytes', paper: '91', threeDb: '75' }),
  creators({ id: 't1-10x5', workers: 10, bytes: 5, size: '5 bytes', paper: '490', threeDb: '134' }),
  creators({ id: 't1-20x5', workers: 20, bytes: 5, size: '5 bytes', paper: '640', threeDb: '178' }),
  creators({ id: 't1-1x8k', workers: 1, bytes: 8192, size: '8 KB', paper: '345', threeDb: '172' }),
  creators({ id: 't1-4x8k', workers: 4, bytes: 8192, size: '8 KB', paper: '777–949', threeDb: '217' }),
  creators({ id: 't1-1x32k', workers: 1, bytes: 32768, size: '32 KB', paper: '672–822', threeDb: '338' }),
];

export const paperReplicas = 5;
export const paperFillMegabytes = 100;
