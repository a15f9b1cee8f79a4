/*
 * The program that docs/cli.md shows, compiled as it says there: the peer of a router's pipe, to which the generator sends by another.
 *
 *   netmill gen ════ pipe:from  router  pipe:lab ════ the program
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { InterfaceReply } from '../../runtime/control/types.js';
import { built, cli, Netmill } from '../support/netmill.js';
import { Lab, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

const policy = `import { router } from 'netmill'
export default router('r', { interfaces: {
  from: { port: 'pipe:from', host: 'none', fallback: 'drop', address: ['10.5.0.1/24'] },
  lab: { port: 'pipe:lab', host: 'none', fallback: 'drop', address: ['10.6.0.1/24'] } } })
`;

const client = 'runtime/engine/client';

/** The first block behind `mark`, up to the line that ends it. */
function block(text: string, mark: string): string {
  const start = text.indexOf(mark) + mark.length;
  return text.slice(start, text.indexOf('\n```', start) + 1);
}

systemTest('generator and bridge end with the port that they are the peer of', async (t) => {
  const lab = await Lab.create();
  try {
    const node = await lab.node('node');
    const netmill = await Netmill.start(lab, node, await built(policy));
    const run = (...args: readonly string[]) =>
      lab.own(node.start(cli[0], [cli[1], ...args, '--rundir', netmill.rundir]));
    const sink = run('gen', '--receive', 'pipe:from');
    const bridge = run('bridge', 'pipe:lab', `pcap:,${join(lab.directory, 'out.pcap')}`);
    await until('both', async () => (await netmill.status()).ports.every(({ up }) => up));
    await netmill.stop();
    for (const [tool, port] of [
      [sink, 'from'],
      [bridge, 'lab'],
    ] as const) {
      const { exitCode, stderr } = await tool;
      t.is(exitCode, 69);
      t.regex(`${stderr}`, new RegExp(`pipe:${port}: its engine has closed the port`));
    }
  } finally {
    await lab.close();
  }
});

systemTest(
  'the peer of a pipe that the documentation shows',
  async (t) => {
    const lab = await Lab.create();
    try {
      const text = readFileSync('docs/cli.md', 'utf8');
      writeFileSync(join(lab.directory, 'peer.c'), block(text, '```c\n'));
      const compile = /^cc .* -o peer$/m.exec(text)![0].replace('cc ', 'cc -Wall -Wextra -Werror ');
      await execa('sh', ['-c', compile], { cwd: lab.directory, env: { NETMILL: process.cwd() } });

      const flags = compile.match(/-I\S+/g)!.join(' ');
      writeFileSync(
        join(lab.directory, 'peer.cc'),
        `#include "client/pipe_client.h"\nint main() { mill_pipe_client c; return mill_pipe_open(&c, "/none") == 0; }\n`,
      );
      const both = `c++ -std=c++11 -Wall -Wextra -Werror ${flags} -c peer.cc && cc -std=gnu11 -D_GNU_SOURCE ${flags} -c $NETMILL/${client}/pipe_client.c && c++ peer.o pipe_client.o -o peer-cc && ./peer-cc`;
      await execa('sh', ['-c', both], { cwd: lab.directory, env: { NETMILL: process.cwd() } });

      const node = await lab.node('node');
      const netmill = await Netmill.start(lab, node, await built(policy));
      const interfaces = await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
      const { mac } = interfaces.find((one) => one.name === 'from')!;
      t.is((await netmill.run('arp', 'add', '10.6.0.2', '02:00:00:00:00:02', '--iface', 'lab')).code, 0);
      const socket = join(netmill.rundir, 'pipe', 'lab.sock');
      const peer = lab.own(execa(join(lab.directory, 'peer'), [socket], { reject: false }));
      const carrier = async (pid: number) => {
        const status = await netmill.status().catch(() => undefined);
        return status?.engine.pid !== pid && status?.ports.find(({ name }) => name === 'lab')?.up;
      };
      await until('the peer', () => carrier(0));
      const second = await execa(join(lab.directory, 'peer'), [socket], { reject: false });
      t.regex(second.stderr, /busy/, 'one peer at a time');

      const send = (size: number) =>
        node.run(
          ...[...cli, 'gen', '--send', 'pipe:from', '--rundir', netmill.rundir, '--to-mac', mac],
          ...['--from', '10.5.0.2', '--to', '10.6.0.2', '--count', '10', '--rate', '1k', '--size', `${size}`],
        );
      await send(100);
      const engine = await netmill.enginePid();
      process.kill(engine, 'SIGKILL');
      await until('the peer at the next engine', () => carrier(engine));
      await send(1514);
      await netmill.stop();
      const { stdout, exitCode } = await peer;
      t.is(exitCode, 0, 'the port was closed');
      for (const size of [100, 1514])
        t.is(stdout.split('\n').filter((line) => line === `${size} bytes, EtherType 0800`).length, 10);
    } finally {
      await lab.close();
    }
  },
  { tools: ['cc', 'c++'] },
);
