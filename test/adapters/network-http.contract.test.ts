import { type NetworkBench, networkContract } from '../contract/network.ts';
import { type PeerStation, startPeer, until } from './peer-cell.ts';

async function loopbackBench(): Promise<NetworkBench> {
  const stations = new Set<PeerStation>();
  const ports = new Map<string, number>();
  return {
    async start(id, { boot = 1, admit, removed } = {}) {
      const listen = ports.get(id) ?? 0;
      const station = await startPeer(id, {
        listen,
        boot: { number: boot, id: `boot-${boot}` },
        ...(admit ? { admit } : {}),
        ...(removed ? { removed } : {}),
      });
      ports.set(id, Number(new URL(station.url).port));
      stations.add(station);
      return station;
    },
    async kill(station) {
      await (station as PeerStation).kill();
      stations.delete(station as PeerStation);
    },
    until,
    settled: (promise) => promise,
    async end() {
      for (const station of stations) await station.kill();
    },
  };
}

networkContract('the network over HTTP', loopbackBench);
