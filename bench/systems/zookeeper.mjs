/**
 * ZooKeeper as Debian's `zookeeper` ships it. `forceSync` stays at its default: a transaction is flushed before it is
 * acknowledged. Only the limit on connections from one address is lifted, and the admin server (port 8080) left out.
 */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { ZooKeeperConnection } from '../load/zookeeper-connection.mjs';
import { findExecutable } from './executable.mjs';
import { freePorts } from './ports.mjs';

const host = '127.0.0.1';
const jar = '/usr/share/java/zookeeper.jar';

const logging = `log4j.rootLogger=WARN, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %-5p %c: %m%n
`;

export const zookeeper = {
  name: 'zookeeper',
  label: 'ZooKeeper',

  unavailable() {
    if (findExecutable('java') === null) return 'ZooKeeper needs Java, which is not installed';
    if (!fs.existsSync(jar)) return `ZooKeeper is not installed (Debian's package zookeeper, ${jar})`;
    return null;
  },

  version() {
    const names = fs.readdirSync(path.dirname(jar)).map((name) => /^zookeeper-(\d[\d.]*)\.jar$/.exec(name));
    const found = names.find((match) => match !== null);
    return `ZooKeeper ${found?.[1] ?? '(version unknown)'}, its binary protocol`;
  },

  async plan({ directory, replicas }) {
    const ports = await freePorts(replicas * 3);
    const numbers = Array.from({ length: replicas }, (_, i) => i + 1);
    const ensemble = numbers.map((n, i) => `server.${n}=${host}:${ports[replicas + i]}:${ports[2 * replicas + i]}`);
    fs.writeFileSync(path.join(directory, 'log4j.properties'), logging);
    return numbers.map((n, i) => {
      const data = path.join(directory, `z${n}`);
      const settings = path.join(directory, `z${n}.cfg`);
      fs.mkdirSync(data);
      fs.writeFileSync(path.join(data, 'myid'), `${n}\n`);
      const lines = [
        'tickTime=2000',
        'initLimit=10',
        'syncLimit=5',
        `dataDir=${data}`,
        `clientPort=${ports[i]}`,
        `clientPortAddress=${host}`,
        'maxClientCnxns=0',
        'admin.enableServer=false',
        '4lw.commands.whitelist=srvr',
        ...ensemble,
      ];
      fs.writeFileSync(settings, `${lines.join('\n')}\n`);
      return {
        name: `z${n}`,
        host,
        port: ports[i],
        command: 'java',
        args: ['-cp', `${directory}:${jar}`, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', settings],
      };
    });
  },

  async roleOf(member) {
    const answer = await fourLetterWord(member, 'srvr');
    const mode = /^Mode: (\w+)/m.exec(answer)?.[1];
    return mode === 'leader' || mode === 'follower' ? mode : null;
  },

  connect: (address) => ZooKeeperConnection.connect(address),
};

/** The answer to one of ZooKeeper's four-letter commands. */
function fourLetterWord({ port }, word) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port });
    let text = '';
    socket.setTimeout(1000, () => socket.destroy(new Error(`no answer to ${word}`)));
    socket.setEncoding('latin1');
    socket.once('connect', () => socket.write(word));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(text));
  });
}
