/*
 * Devices that are many, and devices that come and go.
 *
 *   client c0 ──── r0 router
 */
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
    await client.run('ping', '-c1', '-W2', '10.0.1.1');
    const passed = async () =>
      (await netmill.rules()).rules.find(
        (rule) => rule.action === 'allow' && rule.list === 'echo' && !rule.origin.startsWith('built'),
      )!.packets;
    const before = await passed();
    await router.ip('link del r0');
    await until('the port to be down', async () => !(await netmill.status()).ports[0]!.up);
    await connect();
    await until('the port to be up', async () => (await netmill.status()).ports[0]!.up);
    await client.run('ping', '-c1', '-W2', '10.0.1.1');
    t.true((await passed()) > before, 'the ACL sees what the new device brings');
  } finally {
    await lab.close();
  }
});
