/*
 * Devices that are many, and devices that come and go.
 *
 *   client c0 ──── r0 router
 */
import type { InterfaceReply, RouteGetReply } from '../../runtime/control/types.js';
import { Netmill } from '../support/netmill.js';
import { Lab, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

function policy(interfaces: readonly string[]): string {
  return `import { acl, allow, icmp, router } from 'netmill';
const echo = acl('echo', {}, [allow({ service: icmp() })]);
export default router('devices', { interfaces: { ${interfaces.join(', ')} } });`;
}

systemTest('six devices of four queues each find room in packet memory', async (t) => {
  const lab = await Lab.create();
  try {
    const router = await lab.router('router');
    const names = Array.from({ length: 6 }, (_, i) => `v${i}`);
    const queues = 'numrxqueues 4 numtxqueues 4';
    await router.ip(
      ...names.flatMap((name) => [
        `link add ${name} ${queues} type veth peer name peer-${name} ${queues}`,
        `link set ${name} up`,
        `link set peer-${name} up`,
      ]),
    );
    const netmill = await Netmill.start(
      lab,
      router,
      policy(names.map((name) => `${name}: { port: 'xdp:${name}' }`)),
    );
    const { ports } = await netmill.status();
    t.deepEqual(
      ports.filter((port) => port.open && port.up).map((port) => port.name),
      names,
    );
  } finally {
    await lab.close();
  }
});

systemTest('a device that is deleted and made again is a port again, behind the same ACL', async (t) => {
  const lab = await Lab.create();
  try {
    const client = await lab.node('client');
    const router = await lab.router('router');
    const connect = () =>
      lab.link(
        { node: client, device: 'c0', addresses: ['10.0.1.2/24'] },
        { node: router, device: 'r0', addresses: ['10.0.1.1/24'] },
      );
    await connect();
    const netmill = await Netmill.start(
      lab,
      router,
      policy([`r0: { port: 'xdp:r0', in: echo, fallback: 'drop' }`]),
    );
    await until('an answer', async () => (await client.pings(1, '10.0.1.1')) === 1);
    const passed = async () =>
      (await netmill.rules()).rules.find(
        (rule) => rule.action === 'allow' && rule.list === 'echo' && !rule.origin.startsWith('built'),
      )!.packets;
    const before = await passed();
    await router.ip('link del r0');
    await until('the port to be down', async () => !(await netmill.status()).ports[0]!.up);
    await connect();
    await until('the port to be up', async () => (await netmill.status()).ports[0]!.up);
    await until('an answer', async () => (await client.pings(1, '10.0.1.1')) === 1);
    t.true((await passed()) > before, 'the ACL sees what the new device brings');
  } finally {
    await lab.close();
  }
});

systemTest('a port goes on under another name of its device, up or down when it was renamed', async (t) => {
  const lab = await Lab.create();
  try {
    const client = await lab.node('client');
    const router = await lab.router('router');
    const server = await lab.node('server');
    await lab.link(
      { node: client, device: 'c0', addresses: ['10.0.1.2/24'] },
      { node: router, device: 'r0', addresses: ['10.0.1.1/24'] },
    );
    await lab.link(
      { node: server, device: 's0', addresses: ['10.0.2.2/24'] },
      { node: router, device: 'r1', addresses: ['10.0.2.1/24'] },
    );
    await client.ip('route add default via 10.0.1.1');
    await server.ip('route add default via 10.0.2.1');
    const netmill = await Netmill.start(
      lab,
      router,
      policy(["r0: { port: 'xdp:r0' }", "r1: { port: 'xdp:r1' }"]),
    );
    const forwarded = async () =>
      (await netmill.status()).ports.find((port) => port.name === 'r1')!.tx.packets;
    const goesOn = async (name: string): Promise<void> => {
      await until(`${name} in status`, async () => {
        const [port] = (await netmill.status()).ports;
        return port!.device === name && port!.up;
      });
      // A link that was down has its routes and neighbours back a moment later; until then the kernel forwards.
      await until(`the engine to forward by ${name}`, async () => {
        const before = await forwarded();
        return (await client.pings(1, '10.0.2.2')) === 1 && (await forwarded()) > before;
      });
      const before = await forwarded();
      t.is(await client.pings(5, '10.0.2.2'), 5, name);
      t.true((await forwarded()) - before >= 5, `${name}: the engine forwards, and not the kernel`);
      const [iface] = await netmill.json<InterfaceReply[]>('ifconfig');
      t.like(iface, { name: 'r0', device: name, up: true, carrier: true });
      t.true(iface!.addresses.includes('10.0.1.1/24'));
      t.true((await netmill.json<RouteGetReply>('route', 'get', '10.0.1.2')).agree);
    };
    await goesOn('r0');
    const during = client.pings(50, '10.0.2.2');
    await router.ip('link set r0 name live');
    t.is(await during, 50, 'answered while the device is renamed');
    await goesOn('live');
    t.regex((await netmill.run('status')).stdout, /xdp:r0 \(now live\)/);
    await netmill.killDaemon();
    await netmill.startDaemon();
    await goesOn('live');
    await router.ip('link set live down', 'link set live name later', 'link set later up');
    await goesOn('later');
    await router.ip('link set later name r0');
    await goesOn('r0');
  } finally {
    await lab.close();
  }
});

systemTest('an interface has another name in the policy, and its port goes on', async (t) => {
  const lab = await Lab.create();
  try {
    const client = await lab.node('client');
    const router = await lab.router('router');
    await lab.link(
      { node: client, device: 'c0', addresses: ['10.0.1.2/24'] },
      { node: router, device: 'r0', addresses: ['10.0.1.1/24'] },
    );
    const named = (name: string) => policy([`${name}: { port: 'xdp:r0', in: echo, fallback: 'drop' }`]);
    const netmill = await Netmill.start(lab, router, named('lan'));
    await until('an answer', async () => (await client.pings(1, '10.0.1.1')) === 1);
    await netmill.deploy(named('office'));
    t.is(await client.pings(20, '10.0.1.1'), 20);
    await netmill.deploy(named('lan'));
    t.is(await client.pings(20, '10.0.1.1'), 20);
    t.deepEqual(
      (await netmill.status()).ports.map((port) => port.open && port.up),
      [true],
    );
  } finally {
    await lab.close();
  }
});
