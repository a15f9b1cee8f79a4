/* What a deploy leaves in the kernel is what its policy says, whatever ran before. Topology: support/line.ts. */
import type { ExecutionContext } from 'ava';
import { Line } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { systemTest } from '../support/system-test.js';
import { plain } from './policies.js';

function deployTest(title: string, body: (t: ExecutionContext, line: Line) => Promise<void>): void {
  systemTest(title, async (t) => {
    const line = await Line.create();
    try {
      await body(t, line);
    } finally {
      await line.close();
    }
  });
}

const via = (v4: string, v6: string) =>
  built(
    plain.replace(
      "router('line', {",
      `router('line', {\n  routes: { '20.0.0.0/8': '${v4}', '2001:db8:20::/48': '${v6}' },`,
    ),
  );

deployTest('a static route gets another gateway, and by a rollback the one before', async (t, line) => {
  const gateways = async () => {
    const show = async (family: string, prefix: string) =>
      /via (\S+)/.exec(await line.router.run('ip', family, 'route', 'show', prefix))?.[1];
    return [await show('-4', '20.0.0.0/8'), await show('-6', '2001:db8:20::/48')];
  };
  const server = ['10.0.2.2', '2001:db8:2::2'] as const;
  const provider = ['10.0.3.2', '2001:db8:3::2'] as const;
  const netmill = await Netmill.start(line.lab, line.router, await via(...server));
  t.deepEqual(await gateways(), [...server]);
  await netmill.deploy(await via(...provider));
  t.deepEqual(await gateways(), [...provider]);
  await netmill.rollback();
  t.deepEqual(await gateways(), [...server]);
  await netmill.stop();
  t.deepEqual(await gateways(), [undefined, undefined]);
});

deployTest(
  'a device has the MTU of before again when the policy does not name one any more',
  async (t, line) => {
    const mtu = async () => Number(await line.router.run('cat', '/sys/class/net/r1/mtu'));
    const small = await built(plain.replace("port: 'xdp:r1',", "port: 'xdp:r1', mtu: 1400,"));
    const netmill = await Netmill.start(line.lab, line.router, await built(plain));
    await netmill.deploy(small);
    t.is(await mtu(), 1400);
    await netmill.rollback();
    t.is(await mtu(), 1500);
  },
);
