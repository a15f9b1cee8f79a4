/*
 * Sets that change at run time, by the commands: what they hold outlives a killed daemon, a killed engine, deploys and
 * rollbacks; who must reach the router is not cut off; what is wrong is told with its line. Topology: support/line.ts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { SetChangeReply, SetReply, TraceReply } from '../../runtime/control/types.js';
import { Line } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

const policy = (more: string) => `import { acl, allow, deny, nets, router, set, tcp } from 'netmill'
const blocked = set('blocked')
const list = acl('list', { default: 'allow' }, [
  deny({ from: blocked }).id('blocked'),
  ${more}
])
export default router('line', {
  interfaces: {
    client: { port: 'xdp:r0', in: list, fallback: 'drop' },
    server: { port: 'xdp:r1', fallback: 'kernel' },
  },
  mustReach: { admins: { in: 'client', from: nets('10.0.1.0/28'), to: nets('10.0.1.1'), service: tcp(22) } },
})
`;

/** Whom the running forwarder denies, of these. */
async function denied(netmill: Netmill, sources: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const source of sources) {
    const { rules } = await netmill.json<TraceReply>('trace', `in client udp ${source}:1000 > 10.0.2.2:9`);
    if (rules.some((one) => one.action === 'deny')) found.push(source);
  }
  return found;
}

async function holds(t: ExecutionContext, netmill: Netmill, expected: readonly string[]): Promise<void> {
  t.deepEqual(await netmill.json<readonly string[]>('set', 'list', 'blocked'), expected);
  const inside = expected.slice(0, 1).map((one) => one.split('/')[0]!);
  t.deepEqual(await denied(netmill, [...inside, '10.0.1.99']), inside);
}

systemTest(
  'a set changes without a build, and what it holds outlives whoever dies',
  async (t) => {
    const line = await Line.create();
    try {
      const netmill = await Netmill.start(line.lab, line.router, policy(''));
      await holds(t, netmill, []);
      for (const [packet, got] of [
        [
          'in client udp 10.0.1.9:1 > 10.0.2.2:9 from-set blocked',
          /what sets hold now, got from-set blocked/,
        ],
        [
          'in client out server udp 10.0.1.9:1 > 10.0.2.2:9',
          /routes that the engine has now, got out server/,
        ],
        ['in client quic 10.0.1.9 > 10.0.2.2', /expected tcp, udp, icmp or 'proto N', got 'quic'/],
      ] as const) {
        const supposed = await netmill.run('trace', packet);
        t.is(supposed.code, 64, supposed.stdout);
        t.regex(supposed.stderr, got);
        t.regex(supposed.stderr, /fix: /);
      }
      const file = join(line.lab.directory, 'blocked.txt');
      writeFileSync(file, '# two\n10.9.0.0/16 ; far\n2001:db8:66::/48\n10.0.1.64/26\n');
      const filled = await netmill.json<SetChangeReply>('set', 'replace', 'blocked', '--file', file);
      t.deepEqual([filled.changed, filled.before, filled.prefixes], [true, 0, { 4: 2, 6: 1 }]);
      t.false((await netmill.json<SetChangeReply>('set', 'add', 'blocked', '10.9.1.0/24')).changed);
      await netmill.json('set', 'delete', 'blocked', '10.0.1.96/27');
      const all = ['10.0.1.64/27', '10.9.0.0/16', '2001:db8:66::/48'];
      await holds(t, netmill, all);

      const refused = await netmill.run('set', 'add', 'blocked', '10.0.0.0/8');
      t.is(refused.code, 65);
      t.regex(refused.stderr, /NM3023: 'admins' must reach the router.*10\.0\.1\.\d+:\d+ > 10\.0\.1\.1:22/);
      writeFileSync(file, '10.9.9.9\n\n  10.9.9.x\n');
      const wrong = await netmill.run('set', 'replace', 'blocked', '--file', file);
      t.is(wrong.code, 64);
      t.regex(wrong.stderr, /blocked\.txt:3:3: '10\.9\.9\.x' is not an IPv4 address/);
      t.is((await netmill.run('set', 'show', 'other')).code, 66);
      await holds(t, netmill, all);

      const engine = await netmill.enginePid();
      process.kill(engine, 'SIGKILL');
      await until('another engine', async () => (await netmill.enginePid().catch(() => engine)) !== engine);
      await netmill.ready();
      await holds(t, netmill, all);
      await netmill.killDaemon();
      await netmill.startDaemon();
      await holds(t, netmill, all);

      await netmill.deploy(policy("deny({ to: set('more') }),"));
      await holds(t, netmill, all);
      t.is((await netmill.json<readonly SetReply[]>('set', 'list')).length, 2);
      await netmill.json('set', 'add', 'more', '10.0.2.99');
      await netmill.rollback();
      await netmill.json('set', 'delete', 'blocked', '10.9.0.0/16');
      await holds(t, netmill, ['10.0.1.64/27', '2001:db8:66::/48']);
      await netmill.json('set', 'add', 'blocked', '10.0.1.2', '--force');
      const cuts = await netmill.run('deploy', await policyFile(line, policy('deny({ service: tcp(99) }),')));
      t.is(cuts.code, 65, cuts.stderr);
      t.regex(cuts.stderr, /NM3023/);
    } finally {
      await line.close();
    }
  },
  { seconds: 120 },
);

async function policyFile(line: Line, text: string): Promise<string> {
  const file = join(line.lab.directory, 'cuts.ts');
  writeFileSync(file, text);
  return file;
}
