/*
 * Netmill takes chosen queues of a device, to which the device puts chosen flows; all others stay the kernel's. A veth puts a
 * packet into the queue by which its peer sent it, which XPS decides there; filters and RSS, which it has not, are those of a
 * model that stands before ioctl(2) (tests/engine/ethtool_model.c), for the engine and for ethtool.
 *
 *   client c0 ════ r0 router r1 ──── s0 server       10.0.1.0/24, 10.0.2.0/24; four queues on the left
 */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Netmill } from '../support/netmill.js';
import { Lab, type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

const source = fileURLToPath(new URL('../../../tests/engine/ethtool_model.c', import.meta.url));

/** What programs are to be started with: r0 is a card of four queues. */
function model({ directory }: { readonly directory: string }): readonly string[] {
  const library = join(directory, 'model.so');
  execFileSync('gcc', ['-D_GNU_SOURCE', '-O1', '-shared', '-fPIC', '-o', library, source]);
  chmodSync(directory, 0o711); // policies are evaluated by a user of their own
  return [
    'env',
    `LD_PRELOAD=${library}`,
    `ETHTOOL_MODEL=${join(directory, 'card')}`,
    'ETHTOOL_MODEL_DEVICE=r0',
    'ETHTOOL_MODEL_CARD=4 8 8 0 1',
  ];
}

/** Pings to the server are denied, so that who answers shows who had the packet. */
function policy(lan: string, wan = ''): string {
  return `import { acl, deny, icmp, nets, router, tcp, udp } from 'netmill';
const inside = acl('inside', { default: 'allow' }, [deny({ to: nets('10.0.2.0/24'), service: icmp() })]);
export default router('some', { interfaces: {
  lan: { port: 'xdp:r0', in: inside, fallback: 'drop', ${lan} },
  wan: { port: 'xdp:r1', fallback: 'kernel', ${wan} } } });
`;
}

systemTest('chosen flows come by netmill, the others by the kernel, until it is gone', async (t) => {
  const lab = await Lab.create();
  try {
    const [client, router, server] = [
      await lab.node('client'),
      await lab.router('router'),
      await lab.node('server'),
    ];
    await lab.link(
      { node: client, device: 'c0', addresses: ['10.0.1.2/24'] },
      { node: router, device: 'r0', addresses: ['10.0.1.1/24'] },
      { queues: 4 },
    );
    await lab.link(
      { node: router, device: 'r1', addresses: ['10.0.2.1/24'] },
      { node: server, device: 's0', addresses: ['10.0.2.2/24'] },
      { queues: 2 },
    );
    await client.ip('route add default via 10.0.1.1');
    await server.ip('route add default via 10.0.2.1');
    const wrapper = model(lab);
    const ethtool = (...args: readonly string[]) =>
      router.run(wrapper[0]!, ...wrapper.slice(1), 'ethtool', ...args);
    const filters = async () =>
      [...(await ethtool('-n', 'r0')).matchAll(/Dest port: (\d+)[\s\S]*?Action: Direct to queue (\d)/g)]
        .map(([, port, queue]) => `${port} to ${queue}`)
        .sort();
    const dealt = async () =>
      [...(await ethtool('-x', 'r0')).matchAll(/^ +\d+: (.*)$/gm)].map(([, line]) =>
        line!.trim().split(/ +/).join(' '),
      );
    /** How many pings are answered by the server and by the router: all, but for those that netmill denies. */
    const seen = async (queue: number, denied = false) => {
      await send(client, queue);
      const silence = denied ? ['-w1'] : [];
      return [await client.pings(3, '10.0.2.2', ...silence), await client.pings(3, '10.0.1.1')];
    };
    await ethtool('-N', 'r0', 'flow-type', 'tcp4', 'dst-port', '22', 'action', '0', 'loc', '7');
    // What the client says by itself (router solicitations, multicast listeners, ARP) is spread over all queues until then.
    await send(client, 0);

    const dns = "flows: [{ to: nets('10.0.2.0/24'), service: udp(53) }]";
    const netmill = await Netmill.start(lab, router, policy(`queues: [1], ${dns}`), wrapper);
    const modes = ['native, copy, queues 1', 'native, copy'];
    t.deepEqual(
      (await netmill.status()).ports.map(({ mode }) => mode.join(', ')),
      modes,
    );
    for (const mode of modes)
      t.regex((await netmill.run('ifconfig')).stdout, new RegExp(`xdp:r\\d, ${mode}\\)`));
    t.deepEqual(await filters(), ['22 to 0', '53 to 1']);
    t.deepEqual(await dealt(), ['0 0 2 3 0 2 2 3']);
    t.deepEqual(await seen(0), [3, 3], 'the kernel forwards what comes by its queues');
    const received = async () =>
      (await netmill.counters()).interfaces.find(({ name }) => name === 'lan')!.rx.packets;
    t.is(await received(), 0, 'and netmill sees none of it');
    t.deepEqual(
      await seen(1, true),
      [0, 3],
      "netmill's rules judge what comes by its own, and what is accepted goes back",
    );
    t.true((await received()) >= 6);

    await netmill.deploy(
      policy(`queues: [0, 2], flows: [{ service: udp(53), queue: 2 }, { service: tcp(80), queue: 0 }]`),
    );
    t.deepEqual(await filters(), ['22 to 0', '53 to 2', '53 to 2', '80 to 0', '80 to 0'], 'of both families');
    t.deepEqual(await dealt(), ['1 1 3 3 1 1 3 3']);
    t.deepEqual(
      [await seen(1), await seen(0, true), await seen(2, true)],
      [
        [3, 3],
        [0, 3],
        [0, 3],
      ],
    );

    const engine = await netmill.enginePid();
    process.kill(engine, 'SIGKILL');
    await until('another engine', async () => (await netmill.enginePid()) !== engine);
    await netmill.ready();
    t.is((await filters()).length, 5, 'an engine that adopts goes on');
    t.deepEqual(
      [await seen(1), await seen(2, true)],
      [
        [3, 3],
        [0, 3],
      ],
    );

    await t.throwsAsync(netmill.deploy(policy('queues: [1]', `queues: [1], ${dns}`)), {
      message: /xdp:r1: its driver has no ntuple filters/,
    });
    await t.throwsAsync(netmill.deploy(policy('queues: [4]')), {
      message: /xdp:r0: it has receive queues 0 to 3, and the policy takes 1 of them, the last being 4/,
    });
    t.deepEqual(
      [await seen(1), await seen(2, true)],
      [
        [3, 3],
        [0, 3],
      ],
      'what is refused changes nothing',
    );
    t.is((await filters()).length, 5);

    await netmill.stop();
    t.deepEqual(await filters(), ['22 to 0'], "the operator's filter is left");
    t.deepEqual(await dealt(), ['0 1 2 3 0 1 2 3']);
    t.deepEqual(await seen(2), [3, 3]);
  } finally {
    await lab.close();
  }
});

/** By which queue the client sends, from whatever processor. */
async function send(client: Node, queue: number): Promise<void> {
  const all = (2 ** Math.min(cpus().length, 31) - 1).toString(16);
  const lines = [0, 1, 2, 3].map(
    (i) => `echo ${i === queue ? all : 0} > /sys/class/net/c0/queues/tx-${i}/xps_cpus`,
  );
  await client.run('sh', '-ec', lines.join('\n'));
}
