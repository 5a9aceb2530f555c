/**
 * What every network must do, whichever it is. Run against the adapter in `test/adapters/network-http.contract.test.ts`
 * and against its twin in `test/simulator/network.contract.test.ts`.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import type { Message } from '../../src/core/consensus/message.ts';
import {
  type Admission,
  type AttestedNetworkPort,
  NetworkError,
  type PeerHello,
  type PeerMark,
  type PeerRefusal,
  type SnapshotStart,
  type SnapshotStream,
  type SnapshotTransfer,
} from '../../src/ports/network.ts';
import type { NetworkOptions } from '../../src/ports/world.ts';

/** One member on the network under test. */
export interface Station {
  readonly id: ReplicaId;
  readonly port: AttestedNetworkPort;
  readonly url: string;
  flush: number;
}

export interface NetworkBench {
  /** A replica that runs and listens. `boot` begins a new life of the same replica, the former one killed. */
  start(
    id: ReplicaId,
    options?: {
      readonly boot?: number;
      readonly admit?: (hello: PeerHello) => Admission;
      readonly removed?: NetworkOptions['removed'];
    },
  ): Promise<Station>;
  /** Without a word, like `kill -9`. */
  kill(station: Station): Promise<void>;
  /** Lets the network work until `condition` holds; fails when it does not within a sane time. */
  until(condition: () => boolean): Promise<void>;
  /** Lets the network work until `promise` is settled. */
  settled<Result>(promise: Promise<Result>): Promise<Result>;
  end(): Promise<void>;
}

export const n1 = replicaId('n1', 1);
export const n2 = replicaId('n2', 1);
export const n3 = replicaId('n3', 1);

export const commit = (n: number): Message => ({
  kind: 'commit',
  ballot: { round: 1, name: 'n1', incarnation: 1 },
  chosenUpTo: n as Instance,
});

export const acceptOf = (n: number, bytes: number): Message => ({
  kind: 'accept',
  ballot: { round: 1, name: 'n1', incarnation: 1 },
  instance: n as Instance,
  value: { kind: 'submitted', epoch: 1 as never, cellTimeMs: 1 as never, items: [new Uint8Array(bytes).fill(n % 251)] },
  chosenUpTo: 0 as Instance,
  leaseMs: 500,
});

/** A snapshot of `bytes` bytes, no two neighbouring ones equal, that remembers whether it was closed. */
export function snapshotOf(bytes: number): SnapshotStream & { readonly content: Uint8Array; closed: number } {
  const content = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) content[i] = (i * 31) % 251;
  return {
    bytes,
    content,
    closed: 0,
    async read(offset, length) {
      return content.subarray(offset, offset + length);
    },
    async close() {
      this.closed++;
    },
  };
}

interface Heard {
  readonly from: ReplicaId;
  readonly message: Message;
}

/** By the number that the tests tell their messages apart with. */
const sameMark = (a: Message, b: Message): boolean =>
  a.kind === b.kind &&
  ('instance' in a && 'instance' in b
    ? a.instance === b.instance
    : 'chosenUpTo' in a && 'chosenUpTo' in b && a.chosenUpTo === b.chosenUpTo);

export function networkContract(name: string, open: () => Promise<NetworkBench>): void {
  describe(`${name} keeps the contract of the network`, () => {
    let bench: NetworkBench;
    beforeEach(async () => {
      bench = await open();
    });
    afterEach(async () => {
      await bench.end();
    });

    const inbox = (station: Station) => {
      const messages: Heard[] = [];
      station.port.onMessage((from, message) => messages.push({ from, message }));
      return messages;
    };
    const acquaint = async (...stations: Station[]) => {
      const peers = stations.map(({ id, url }) => ({ id, url }));
      for (const { port } of stations) port.setPeers(peers);
      await bench.until(() => stations.every(({ port }) => port.connected().length === stations.length - 1));
    };
    /** Sends until it arrives: a network may lose, so may the first words of a connection. */
    const say = async (from: Station, to: Station, message: Message, heard: readonly Heard[]) => {
      const before = heard.length;
      const arrived = () => heard.slice(before).some((it) => it.from === from.id && sameMark(it.message, message));
      await bench.until(() => {
        if (!arrived()) from.port.send(to.id, message);
        return arrived();
      });
    };
    const pair = async () => {
      const [a, b] = [await bench.start(n1), await bench.start(n2)];
      await acquaint(a, b);
      return { a, b };
    };

    it('a message arrives as it was sent, from whom it was sent', async () => {
      const { a, b } = await pair();
      const heard = inbox(b);
      const message = acceptOf(7, 300);
      await say(a, b, message, heard);
      expect(heard[0]?.from).toBe(n1);
      expect(JSON.stringify(reread(heard[0]!.message))).toBe(JSON.stringify(reread(message)));
    });

    it('messages go both ways, and to those named only', async () => {
      const stations = [await bench.start(n1), await bench.start(n2), await bench.start(n3)] as const;
      const [a, b, c] = stations;
      await acquaint(...stations);
      const [atA, atB, atC] = [inbox(a), inbox(b), inbox(c)];
      await say(a, b, commit(1), atB);
      await say(b, a, commit(2), atA);
      await say(c, a, commit(3), atA);
      expect(atC).toEqual([]);
      expect(new Set(atA.map(({ from }) => from))).toEqual(new Set([n2, n3]));
    });

    it('a message to nobody known is dropped without a word', async () => {
      const { a, b } = await pair();
      const heard = inbox(b);
      a.port.send(replicaId('nobody', 1), commit(1));
      a.port.send(replicaId('n2', 2), commit(1));
      a.port.send(n1, commit(1));
      await say(a, b, commit(2), heard);
      expect(heard.some(({ message }) => sameMark(message, commit(1)))).toBe(false);
    });

    it('a value of a megabyte arrives whole', async () => {
      const { a, b } = await pair();
      const heard = inbox(b);
      await say(a, b, acceptOf(9, 1_000_000), heard);
      const message = heard[0]?.message;
      const item =
        message?.kind === 'accept' && message.value.kind === 'submitted' ? message.value.items[0] : undefined;
      expect(item?.length).toBe(1_000_000);
      expect(item?.every((byte) => byte === 9)).toBe(true);
    });

    it('says who is connected, and no longer who was killed', async () => {
      const { a, b } = await pair();
      expect(a.port.connected()).toEqual([n2]);
      expect(b.port.connected()).toEqual([n1]);
      await bench.kill(b);
      await bench.until(() => a.port.connected().length === 0);
    });

    it('a replica that was killed is heard again in its next life', async () => {
      const { a, b } = await pair();
      const heard = inbox(a);
      await say(b, a, commit(1), heard);
      await bench.kill(b);
      const again = await bench.start(n2, { boot: 2 });
      await acquaint(a, again);
      await say(again, a, commit(2), heard);
      expect(heard).toContainEqual({ from: n2, message: commit(2) });
      const atAgain = inbox(again);
      await say(a, again, commit(3), atAgain);
    });

    it('a new life and how far its disk is are told before its first message', async () => {
      const { a, b } = await pair();
      const events: string[] = [];
      a.port.onPeerHello((hello: PeerHello) => {
        if (hello.direction === 'inbound') events.push(`hello of boot ${hello.boot.number}`);
      });
      a.port.onPeerMark((from: ReplicaId, mark: PeerMark) => {
        if (mark.boot === 2) events.push(`${from} at ${mark.boot}/${mark.flush}/${mark.promiseFlush}`);
      });
      await bench.kill(b);
      const again = await bench.start(n2, { boot: 2 });
      again.flush = 5;
      a.port.onMessage(() => events.push('message'));
      again.port.setPeers([{ id: n1, url: a.url }]);
      await bench.until(() => {
        if (!events.includes('message')) again.port.send(n1, commit(1));
        return events.includes('message');
      });
      expect(events[0]).toBe('hello of boot 2');
      expect(events.indexOf('n2#1 at 2/5/4')).toBeGreaterThan(0);
      expect(events.indexOf('n2#1 at 2/5/4')).toBeLessThan(events.indexOf('message'));
    });

    it('a replica that is not admitted is not heard, and is told why', async () => {
      const refusal = { ok: false, status: 403, code: 'PAXOS_MEMBER_REMOVED', message: 'n2#1 was removed.' } as const;
      const a = await bench.start(n1, { admit: (hello) => (hello.id === n2 ? refusal : { ok: true }) });
      const b = await bench.start(n2);
      const heard = inbox(a);
      const told: PeerRefusal[] = [];
      b.port.onPeerRefusal((from, said) => {
        expect(from).toBe(n1);
        told.push(said);
      });
      for (const { port } of [a, b]) port.setPeers([a, b].map(({ id, url }) => ({ id, url })));
      await bench.until(() => {
        b.port.send(n1, commit(1));
        return told.length > 0;
      });
      expect(told[0]).toEqual({
        status: 403,
        code: 'PAXOS_MEMBER_REMOVED',
        message: 'n2#1 was removed.',
        authentic: true,
      });
      expect(heard).toEqual([]);
    });

    it('who is out and looks for an earlier life of a member is told so where that one was, and who is not out is not', async () => {
      const refusal = { ok: false, status: 403, code: 'PAXOS_MEMBER_REMOVED', message: 'n2#1 was removed.' } as const;
      const later = await bench.start(replicaId('n1', 7), { removed: (id) => (id === n2 ? refusal : null) });
      const told: string[] = [];
      for (const id of [n3, n2]) {
        const { port } = await bench.start(id);
        port.onPeerRefusal((from, { code, authentic }) => {
          if (code === refusal.code) told.push(`${id} by ${from}, ${authentic ? 'proved' : 'claimed'}`);
        });
        port.setPeers([{ id: n1, url: later.url }]);
      }
      await bench.until(() => told.length > 1);
      expect(new Set(told)).toEqual(new Set(['n2#1 by n1#1, proved']));
    });

    it('a peer that was taken off the list gets nothing more', async () => {
      const { a, b } = await pair();
      const heard = inbox(b);
      await say(a, b, commit(1), heard);
      const before = heard.length;
      a.port.setPeers([]);
      a.port.send(n2, commit(2));
      await bench.until(() => !a.port.connected().includes(n2));
      a.port.setPeers([{ id: n2, url: b.url }]);
      await say(a, b, commit(3), heard);
      expect(heard.slice(before).every(({ message }) => message.kind === 'commit' && message.chosenUpTo !== 2)).toBe(
        true,
      );
    });

    it('after close nothing is sent or heard, and asking is harmless', async () => {
      const { a, b } = await pair();
      const [atA, atB] = [inbox(a), inbox(b)];
      await say(b, a, commit(1), atA);
      const before = atA.length;
      await bench.settled(a.port.close());
      a.port.send(n2, commit(1));
      b.port.send(n1, commit(1));
      await bench.until(() => b.port.connected().length === 0);
      expect(atA.length).toBe(before);
      expect(atB).toEqual([]);
      expect(a.port.connected()).toEqual([]);
      await expect(a.port.fetchSnapshot(n2, 0, async () => {})).rejects.toMatchObject({ reason: 'closed' });
    });

    it('a snapshot arrives byte for byte, in order, and its file is closed', async () => {
      const { a, b } = await pair();
      const file = snapshotOf(300_001);
      const asked: number[] = [];
      b.port.onSnapshotRequest(async (above) => {
        asked.push(above);
        return file;
      });
      const chunks: Uint8Array[] = [];
      const outcome = await bench.settled(
        a.port.fetchSnapshot(n2, 41, async (chunk) => {
          chunks.push(chunk.slice());
        }),
      );
      expect(outcome).toEqual({ bytes: 300_001 });
      expect(asked).toEqual([41]);
      expect(chunks.length).toBeGreaterThan(3);
      expect(Buffer.concat(chunks).equals(file.content)).toBe(true);
      await bench.until(() => file.closed === 1);
    });

    it('a snapshot is gone on with from where it broke off, when the other side has just that file', async () => {
      const { a, b } = await pair();
      const identity = { instance: 60, digest: 'ab'.repeat(32) };
      const asked: unknown[] = [];
      b.port.onSnapshotRequest(async (above, digest) => {
        asked.push([above, digest]);
        return Object.assign(snapshotOf(300_001), { identity });
      });
      const fetch = async (have: SnapshotTransfer['have']) => {
        const chunks: Uint8Array[] = [];
        const starts: SnapshotStart[] = [];
        const onChunk = async (chunk: Uint8Array): Promise<void> => void chunks.push(chunk.slice());
        const begin = async (start: SnapshotStart): Promise<void> => {
          expect(chunks).toEqual([]);
          starts.push(start);
        };
        expect(await bench.settled(a.port.fetchSnapshot(n2, 41, onChunk, { have, begin }))).toEqual({ bytes: 300_001 });
        return { bytes: Buffer.concat(chunks), starts };
      };
      const { content } = snapshotOf(300_001);
      const rest = await fetch({ digest: identity.digest, offset: 200_000 });
      expect(rest.starts).toEqual([{ bytes: 300_001, offset: 200_000, identity }]);
      expect(rest.bytes.equals(content.subarray(200_000))).toBe(true);
      const all = await fetch({ digest: identity.digest, offset: 300_001 });
      expect([all.bytes.length, all.starts[0]?.offset]).toEqual([0, 300_001]);
      // Of another file nothing is gone on with: it comes whole, and says so before its first byte (P55).
      const other = await fetch({ digest: 'cd'.repeat(32), offset: 200_000 });
      expect(other.starts).toEqual([{ bytes: 300_001, offset: 0, identity }]);
      expect(other.bytes.equals(content)).toBe(true);
      expect(asked).toEqual([
        [41, identity.digest],
        [41, identity.digest],
        [41, 'cd'.repeat(32)],
      ]);
    });

    it('an empty snapshot file arrives as no bytes', async () => {
      const { a, b } = await pair();
      b.port.onSnapshotRequest(async () => snapshotOf(0));
      expect(await bench.settled(a.port.fetchSnapshot(n2, 0, async () => {}))).toEqual({ bytes: 0 });
    });

    it('without a snapshot to give, asking for one fails with that reason', async () => {
      const { a, b } = await pair();
      b.port.onSnapshotRequest(async () => null);
      const failure = await bench.settled(failed(a.port.fetchSnapshot(n2, 41, async () => {})));
      expect(failure).toBeInstanceOf(NetworkError);
      expect((failure as NetworkError).reason).toBe('none');
    });

    it('a reader that cannot keep a chunk ends the stream with its own error', async () => {
      const { a, b } = await pair();
      const file = snapshotOf(500_000);
      b.port.onSnapshotRequest(async () => file);
      const full = new Error('disk full');
      const fetch = a.port.fetchSnapshot(n2, 0, async () => {
        throw full;
      });
      expect(await bench.settled(failed(fetch))).toBe(full);
      await bench.until(() => file.closed === 1);
    });

    it('a snapshot from a replica that is killed on the way fails', async () => {
      const { a, b } = await pair();
      // More than is under way in the buffers of any connection.
      b.port.onSnapshotRequest(async () => snapshotOf(20_000_000));
      let chunks = 0;
      let killed: Promise<void> | null = null;
      const fetch = a.port.fetchSnapshot(n2, 0, async () => {
        if (++chunks === 2) killed = bench.kill(b);
      });
      const failure = await bench.settled(failed(fetch));
      await killed;
      expect(failure).toBeInstanceOf(NetworkError);
      expect((failure as NetworkError).reason).toBe('lost');
    });

    it('messages arrive while a snapshot is on its way', async () => {
      const { a, b } = await pair();
      b.port.onSnapshotRequest(async () => snapshotOf(3_000_000));
      const heard = inbox(a);
      let during = 0;
      const fetch = a.port.fetchSnapshot(n2, 0, async () => {
        b.port.send(n1, commit(1));
        during = heard.length;
      });
      await bench.settled(fetch);
      expect(during).toBeGreaterThan(0);
    });
  });
}

const failed = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  );

/** Bytes print like those that went over a wire. */
function reread(message: Message): Message {
  if (message.kind !== 'accept' || message.value.kind !== 'submitted') return message;
  return { ...message, value: { ...message.value, items: message.value.items.map((item) => Buffer.from(item)) } };
}
