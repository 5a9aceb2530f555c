/** A connection that is there in one direction only looks well from one side: each replica tells of both (PML §6.3). */
import { afterEach, expect, it } from 'vitest';
import { replicaId } from '../../src/core/consensus/identity.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';
import { type PeerStation, startPeer } from './peer-cell.ts';

const [n1, n2] = [replicaId('n1', 1), replicaId('n2', 1)];
const stations: PeerStation[] = [];
afterEach(async () => {
  await Promise.all(stations.splice(0).map((station) => station.kill()));
});

it('tells of both directions, since when one is missing and why, and of who was never met', async () => {
  const a = await startPeer(n1);
  const b = await startPeer(n2);
  stations.push(a, b);
  const [dead = 0] = await freePorts(1);
  const wrong = `http://127.0.0.1:${dead}`;
  a.port.setPeers([{ id: n2, url: wrong }]);
  b.port.setPeers([{ id: n1, url: a.url }]);

  // n1 was given a wrong address of n2; n2 reaches n1 all the same.
  await until('n1 is reached and does not reach', () => {
    const [link] = a.port.links();
    return link?.inbound === true && !link.outbound && link.brokenMs > 0 && link.trouble !== null;
  });
  expect(a.port.links()).toMatchObject([{ id: n2, url: wrong, met: true }]);
  await until('n2 reaches and is not reached', () => {
    const [link] = b.port.links();
    return link?.outbound === true && !link.inbound && link.trouble === null;
  });

  a.port.setPeers([{ id: n2, url: b.url }]);
  await until('both directions are there', () => [a, b].every(({ port }) => port.links()[0]?.brokenMs === 0));
  expect(a.port.links()).toMatchObject([{ outbound: true, inbound: true, trouble: null }]);

  a.port.setPeers([{ id: replicaId('n9', 1), url: wrong }]);
  await until('the dial has failed', () => a.port.links()[0]?.trouble !== null);
  expect(a.port.links()).toMatchObject([{ id: 'n9#1', outbound: false, inbound: false, met: false }]);
});
