import { afterEach, describe, expect, it } from 'vitest';
import type { Message } from '../../src/core/consensus/message.ts';
import { messageFrameBytesMax } from '../../src/formats/peer-frame.ts';
import { acceptOf, commit, n1, n2, n3 } from '../contract/network.ts';
import { type MiddleBox, startMiddleBox } from './middle-box.ts';
import { cellSecret, type PeerStation, startPeer, until } from './peer-cell.ts';

const open: { kill?(): Promise<void>; close?(): Promise<void> }[] = [];
const peer = async (...args: Parameters<typeof startPeer>): Promise<PeerStation> => {
  const station = await startPeer(...args);
  open.push(station);
  return station;
};
const boxTo = async (station: PeerStation): Promise<MiddleBox> => {
  const box = await startMiddleBox(station.url);
  open.push(box);
  return box;
};
afterEach(async () => {
  for (const it of open.splice(0)) await (it.kill?.() ?? it.close?.());
});

const inbox = (station: PeerStation): Message[] => {
  const messages: Message[] = [];
  station.port.onMessage((_, message) => messages.push(message));
  return messages;
};
const numbers = (messages: readonly Message[]): number[] =>
  messages.map((message) => (message.kind === 'commit' ? message.chosenUpTo : -1));

describe('messages over HTTP', () => {
  it('arrive in the order in which they were sent', async () => {
    const [a, b] = [await peer(n1), await peer(n2)];
    a.port.setPeers([b]);
    await until(() => a.port.connected().includes(n2));
    const heard = inbox(b);
    for (let turn = 0; turn < 10; turn++) {
      for (let i = 0; i < 100; i++) a.port.send(n2, i % 10 === 9 ? acceptOf(i, 6000) : commit(turn * 100 + i));
      await new Promise(setImmediate);
    }
    await until(() => heard.length === 1000);
    const commits = numbers(heard).filter((n) => n >= 0);
    expect(commits).toEqual([...commits].sort((x, y) => x - y));
  });

  it('of one turn go out in one frame', async () => {
    // One frame is one write, one tag and one read on the other side: what a turn costs must not grow with its messages.
    const [a, b] = [await peer(n1), await peer(n2)];
    a.port.setPeers([b]);
    await until(() => a.port.connected().includes(n2));
    const heard = inbox(b);
    const before = a.port.counters.framesSent;
    for (let i = 0; i < 50; i++) a.port.send(n2, commit(i));
    a.port.send(n2, acceptOf(1, 20_000));
    await until(() => heard.length === 51);
    expect(a.port.counters.framesSent - before).toBeLessThanOrEqual(2);
    expect(a.port.counters.messagesSent).toBe(51);
  });

  it('are dropped, and counted, when too much waits for a peer that does not read', async () => {
    const limits = { queueBytesMax: 1_000_000, silentPeriodsMax: 1_000 };
    const [a, b] = [await peer(n1, { limits }), await peer(n2)];
    const box = await boxTo(b);
    a.port.setPeers([{ id: n2, url: box.url }]);
    await until(() => a.port.connected().includes(n2));
    box.freeze();
    await until(() => {
      for (let i = 0; i < 4; i++) a.port.send(n2, acceptOf(i, 100_000));
      return a.port.counters.droppedQueueFull > 20;
    });
    // A queue that is full for one peer is no reason to be deaf to another.
    const c = await peer(n3);
    a.port.setPeers([{ id: n2, url: box.url }, c]);
    await until(() => a.port.connected().includes(n3));
    const heard = inbox(c);
    a.port.send(n3, commit(1));
    await until(() => heard.length === 1);
  });

  it('too long for any frame are dropped and counted, and the next one arrives', async () => {
    const [a, b] = [await peer(n1), await peer(n2)];
    a.port.setPeers([b]);
    await until(() => a.port.connected().includes(n2));
    const heard = inbox(b);
    a.port.send(n2, acceptOf(1, messageFrameBytesMax));
    a.port.send(n2, commit(2));
    await until(() => heard.length === 1);
    expect(numbers(heard)).toEqual([2]);
    expect(a.port.counters.droppedTooLarge).toBe(1);
  });
});

describe('a connection', () => {
  it('on which nothing comes any more is given up, and dialled again', async () => {
    const limits = { keepAliveMs: 20 };
    const [a, b] = [await peer(n1, { limits }), await peer(n2, { limits })];
    const box = await boxTo(b);
    a.port.setPeers([{ id: n2, url: box.url }]);
    await until(() => a.port.connected().includes(n2) && b.port.connected().includes(n1));
    box.freeze();
    await until(() => a.port.counters.connectionsSilent > 0 && b.port.counters.connectionsSilent > 0);
    await until(() => box.connections > 1);
    expect(b.port.connected()).toEqual([]);
  });

  it('without traffic stays open for as long as both ends live', async () => {
    const limits = { keepAliveMs: 5 };
    const [a, b] = [await peer(n1, { limits }), await peer(n2, { limits })];
    a.port.setPeers([b]);
    await until(() => b.port.counters.framesReceived > 20 && a.port.counters.framesReceived > 20);
    expect(a.port.counters.connectionsOpened).toBe(1);
    expect(b.port.counters.connectionsOpened).toBe(1);
  });

  it('is dialled at once when the peer shows up again', async () => {
    // The wait between attempts is set so long that only the peer's own dialling can explain the connection.
    const limits = { redialMsMin: 60_000, redialMsMax: 60_000 };
    const a = await peer(n1, { limits });
    const gone = await startPeer(n2);
    await gone.kill();
    a.port.setPeers([gone]);
    await until(() => a.port.counters.dialsFailed === 1);
    const b = await peer(n2, { listen: Number(new URL(gone.url).port), boot: { number: 2, id: 'second' } });
    b.port.setPeers([a]);
    const heard = inbox(b);
    await until(() => {
      a.port.send(n2, commit(1));
      return heard.length > 0;
    });
  });

  it('from an earlier boot ends when a later one connects', async () => {
    const a = await peer(n1);
    const old = await peer(n2, { boot: { number: 1, id: 'first' } });
    old.port.setPeers([a]);
    await until(() => old.port.connected().includes(n1));
    const heard = inbox(a);
    const next = await peer(n2, { boot: { number: 2, id: 'second' } });
    next.port.setPeers([a]);
    await until(() => next.port.connected().includes(n1) && !old.port.connected().includes(n1));
    await until(() => (a.port.counters.refusedInbound.get('PAXOS_PEER_OLD_BOOT') ?? 0) > 0);
    old.port.send(n1, commit(1));
    next.port.send(n1, commit(2));
    await until(() => heard.length > 0);
    expect(numbers(heard)).toEqual([2]);
  });

  it('of a replica that is stopping leaves no socket behind', async () => {
    const [a, b] = [await peer(n1), await peer(n2)];
    a.port.setPeers([b]);
    b.port.setPeers([a]);
    await until(() => a.port.connected().length === 1 && b.port.connected().length === 1);
    await a.port.close();
    await until(() => a.port.connected().length === 0 && b.port.connected().length === 0);
    const count = await new Promise<number>((resolve, reject) =>
      a.server.getConnections((error, n) => (error ? reject(error) : resolve(n))),
    );
    expect(count).toBeLessThanOrEqual(1);
  });

  it('writes neither the secret nor a proof into the log', async () => {
    const lines: string[] = [];
    const log = (facts: object, message: string) => void lines.push(JSON.stringify({ ...facts, message }));
    const logger = { debug: log, info: log, warn: log };
    const [a, b] = [await peer(n1, { logger }), await peer(n2, { logger, secret: new Uint8Array(32) })];
    a.port.setPeers([b]);
    await until(() => a.port.counters.refusedOutbound.size > 0);
    const text = lines.join('\n');
    expect(text).toContain('PAXOS_PEER_UNAUTHENTICATED');
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) {
      expect(text).not.toContain(Buffer.from(cellSecret).toString(encoding));
    }
  });
});

describe('a frame that was changed on the way', () => {
  const afterHandshake = async () => {
    // After the first, no keep-alive comes in between: what passes the box next is what a test sends.
    const limits = { keepAliveMs: 60_000 };
    const [a, b] = [await peer(n1, { limits }), await peer(n2, { limits })];
    const box = await boxTo(b);
    a.port.setPeers([{ id: n2, url: box.url }]);
    await until(() => a.port.counters.framesReceived === 1 && b.port.counters.framesReceived === 1);
    return { a, b, box, heard: inbox(b) };
  };
  const refusedThenWell = async (spoil: (chunk: Buffer) => readonly Buffer[]) => {
    const { a, b, box, heard } = await afterHandshake();
    let spoilt = false;
    box.onForward = (chunk) => {
      if (spoilt || chunk.includes('HTTP/1.1')) return [chunk];
      // A keep-alive that happens to pass is left alone: what is spoilt carries the message.
      if (chunk.length < 50) return [chunk];
      spoilt = true;
      return spoil(chunk);
    };
    a.port.send(n2, commit(1));
    await until(() => b.port.counters.framesTampered === 1);
    expect(numbers(heard)).toEqual([]);
    await until(() => {
      a.port.send(n2, commit(2));
      return heard.length > 0;
    });
    expect(numbers(heard)).not.toContain(1);
  };

  for (const [what, at] of [
    ['length', 0],
    ['tag', 4],
    ['boot number', 27],
    ['message', 40],
    ['last byte', -1],
  ] as const) {
    it(`in its ${what} is refused, and the connection with it`, async () => {
      await refusedThenWell((chunk) => {
        const changed = Buffer.from(chunk);
        const place = at < 0 ? changed.length + at : at;
        changed[place] = (changed[place] as number) ^ 0x10;
        return [changed];
      });
    });
  }

  it('by leaving bytes out is refused', async () => {
    await refusedThenWell((chunk) => [chunk.subarray(0, 30), chunk.subarray(31), Buffer.alloc(1)]);
  });

  it('so that it seems longer than what will come is given up', async () => {
    const limits = { keepAliveMs: 10 };
    const [a, b] = [await peer(n1, { limits }), await peer(n2, { limits })];
    const box = await boxTo(b);
    a.port.setPeers([{ id: n2, url: box.url }]);
    await until(() => b.port.connected().includes(n1));
    let spoilt = false;
    box.onForward = (chunk) => {
      if (spoilt || chunk.includes('HTTP/1.1')) return [chunk];
      spoilt = true;
      const changed = Buffer.from(chunk);
      // Seven megabytes, of which keep-alives bring a few dozen bytes each.
      changed[1] = 0x70;
      return [changed];
    };
    await until(() => b.port.counters.framesTampered === 1);
    await until(() => b.port.connected().includes(n1));
  });

  it('by repeating the whole frame is refused, and delivered once', async () => {
    const { a, b, box, heard } = await afterHandshake();
    box.onForward = (chunk) => (chunk.includes('HTTP/1.1') || chunk.length < 50 ? [chunk] : [chunk, chunk]);
    a.port.send(n2, commit(1));
    await until(() => b.port.counters.framesTampered === 1);
    expect(numbers(heard)).toEqual([1]);
  });

  it('by bringing in a frame of another connection is refused', async () => {
    const { a, b, box, heard } = await afterHandshake();
    a.port.send(n2, commit(1));
    await until(() => heard.length === 1);
    const recorded = box.forwarded.filter((chunk) => !chunk.includes('HTTP/1.1'));
    a.port.setPeers([]);
    await until(() => b.port.connected().length === 0);
    // The same two replicas with the same boots: only the nonces are new.
    box.onForward = (chunk) => (chunk.includes('HTTP/1.1') ? [chunk] : recorded);
    a.port.setPeers([{ id: n2, url: box.url }]);
    await until(() => b.port.counters.framesTampered === 1);
    expect(numbers(heard)).toEqual([1]);
  });

  it('is refused on the way back as well', async () => {
    const limits = { keepAliveMs: 10 };
    const [a, b] = [await peer(n1, { limits }), await peer(n2, { limits })];
    const box = await boxTo(b);
    a.port.setPeers([{ id: n2, url: box.url }]);
    await until(() => a.port.connected().includes(n2));
    box.onBack = (chunk) => {
      if (chunk.includes('HTTP/1.1')) return [chunk];
      const changed = Buffer.from(chunk);
      changed[changed.length - 1] = (changed[changed.length - 1] as number) ^ 1;
      return [changed];
    };
    await until(() => a.port.counters.framesTampered > 0);
  });
});
