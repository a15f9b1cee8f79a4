/**
 * Forwarding between namespaces over veth: netmill by AF_XDP, the kernel, a router in XDP, DPDK's l3fwd by either driver
 * that takes a veth. Each has a bed of its own; all are measured run by run in turn, while the others rest.
 */
import { missing } from '../tests/support/netns.js';
import { built, make, makePeer } from './loop-program.js';
import { type Bench, type Measured, median } from './result.js';
import { type Bed, kernelBed, measure, netmillBed, programBed } from './veth-bed.js';

const runs = 5;

const policy = `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: [{ core: 1 }], events: 'poll' },
  interfaces: { a: { port: 'xdp:r0', fallback: 'kernel' }, b: { port: 'xdp:r1', fallback: 'kernel' } },
})
`;

const drivers = ['net_af_xdp', 'net_af_packet'];

/** net_af_packet gets copies: the stack is not to forward what DPDK does. */
const dpdkBed = (driver: string): Promise<Bed> =>
  programBed(built('veth-l3fwd'), async ({ router, from, to }) => {
    await router.sysctl({ 'net.ipv4.ip_forward': 0 });
    return [driver, 'r0', '10.0.1.0/24', from.mac, 'r1', '10.9.0.0/16', to.mac];
  });

const makers: Readonly<Record<string, () => Promise<Bed>>> = {
  netmill: () => netmillBed(policy),
  linux: kernelBed,
  xdp: () => programBed(built('xdp-forward'), async () => ['r0', 'r1']),
  ...Object.fromEntries(drivers.map((driver) => [driver, () => dpdkBed(driver)])),
};

/** Of a router, all its runs. */
type Rates = (name: string) => readonly number[];

async function inTurn(names: readonly string[], say: (text: string) => void): Promise<Rates> {
  const beds: [string, Bed][] = [];
  const rates = new Map(names.map((name) => [name, [] as number[]]));
  try {
    for (const name of names) beds.push([name, await makers[name]!()]);
    for (let run = 0; run < runs; run++) {
      say(`veth: run ${run + 1} of ${runs}`);
      for (const [name, bed] of beds) rates.get(name)!.push(await measure(bed));
    }
    return (name) => rates.get(name) ?? [];
  } finally {
    for (const [, { lab }] of beds) await lab.close();
  }
}

const about = (name: string, peer: string, bar?: number) => ({
  case: `veth.${name}`,
  unit: 'packets/s',
  better: 'higher' as const,
  peer,
  ...(bar !== undefined && { bar }),
});

function* judged(wanted: (name: string) => boolean, rates: Rates, noDpdk: string | undefined) {
  const ours = rates('netmill');
  const middle = (name: string) => median(rates(name)) ?? 0;
  if (wanted('linux')) yield { ...about('linux', 'linux', 1.2), ours, peerRuns: rates('linux') };
  if (wanted('xdp')) yield { ...about('xdp', 'bpf_fib_lookup'), ours, peerRuns: rates('xdp') };
  if (!wanted('dpdk')) return;
  if (noDpdk) yield { ...about('dpdk', 'l3fwd', 1.05), ours, skipped: noDpdk };
  else {
    const [faster] = [...drivers].sort((a, b) => middle(b) - middle(a));
    const more = Object.fromEntries(drivers.map((driver) => [driver, middle(driver)]));
    yield { ...about('dpdk', `l3fwd ${faster}`, 1.05), ours, peerRuns: rates(faster!), more };
  }
}

export async function* veth(...[wants, say]: Parameters<Bench>): AsyncGenerator<Measured> {
  const wanted = (name: string) => wants(`veth.${name}`);
  const cases = ['linux', 'xdp', 'dpdk'].filter(wanted);
  if (cases.length === 0) return;
  const reason = missing('taskset', 'chrt');
  if (reason) {
    for (const name of cases) yield { ...about(name, name), ours: [], skipped: reason };
    return;
  }
  const noDpdk = wanted('dpdk') ? await makePeer('veth-l3fwd') : undefined;
  if (wanted('xdp')) await make('xdp-forward');
  const names = [
    'netmill',
    ...(wanted('linux') ? ['linux'] : []),
    ...(wanted('xdp') ? ['xdp'] : []),
    ...(wanted('dpdk') && !noDpdk ? drivers : []),
  ];
  yield* judged(wanted, await inTurn(names, say), noDpdk);
}
