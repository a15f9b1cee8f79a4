/**
 * Forwarding between namespaces over veth: netmill by AF_XDP, the kernel, a router in XDP, DPDK's l3fwd by either driver
 * that takes a veth. Each has a bed of its own; all are measured run by run in turn, while the others rest. `one-core` is netmill
 * against the kernel with all of a router on one core.
 */
import { missing } from '../tests/support/netns.js';
import { built, make, makePeer } from './loop-program.js';
import { type Bench, type Measured, median } from './result.js';
import { type Bed, kernelBed, measure, type Napi, netmillBed, programBed } from './veth-bed.js';

const runs = 9;

const policy = `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: [{ core: 1 }], events: 'poll' },
  interfaces: { a: { port: 'xdp:r0', fallback: 'kernel' }, b: { port: 'xdp:r1', fallback: 'kernel' } },
})
`;

const drivers = ['net_af_xdp', 'net_af_packet'];

/** net_af_packet gets copies: the stack is not to forward what DPDK does. */
const dpdkBed = (napi: Napi, driver: string): Promise<Bed> =>
  programBed(napi, built('veth-l3fwd'), async ({ router, from, to }) => {
    await router.sysctl({ 'net.ipv4.ip_forward': 0 });
    return [driver, 'r0', '10.0.1.0/24', from.mac, 'r1', '10.9.0.0/16', to.mac];
  });

const makers: Readonly<Record<string, (napi: Napi) => Promise<Bed>>> = {
  netmill: (napi) => netmillBed(napi, policy),
  linux: kernelBed,
  xdp: (napi) => programBed(napi, built('xdp-forward'), async () => ['r0', 'r1']),
  ...Object.fromEntries(drivers.map((driver) => [driver, (napi: Napi) => dpdkBed(napi, driver)])),
};

/** Of a router, all its runs. */
type Rates = (name: string) => readonly number[];

async function inTurn(napi: Napi, names: readonly string[], say: (text: string) => void): Promise<Rates> {
  const beds: [string, Bed][] = [];
  const rates = new Map(names.map((name) => [name, [] as number[]]));
  try {
    for (const name of names) beds.push([name, await makers[name]!(napi)]);
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

async function* cores({ wanted, say }: Asked): AsyncGenerator<Measured> {
  const noDpdk = wanted('dpdk') ? await makePeer('veth-l3fwd') : undefined;
  if (wanted('xdp')) await make('xdp-forward');
  const names = [
    'netmill',
    ...(wanted('linux') ? ['linux'] : []),
    ...(wanted('xdp') ? ['xdp'] : []),
    ...(wanted('dpdk') && !noDpdk ? drivers : []),
  ];
  yield* judged(wanted, await inTurn('with-generator', names, say), noDpdk);
}

async function* oneCore(say: Asked['say']): AsyncGenerator<Measured> {
  const rates = await inTurn('with-router', ['netmill', 'linux'], say);
  yield { ...about('one-core', 'linux'), ours: rates('netmill'), peerRuns: rates('linux') };
}

interface Asked {
  readonly wanted: (name: string) => boolean;
  readonly say: (text: string) => void;
}

export async function* veth(...[wants, say]: Parameters<Bench>): AsyncGenerator<Measured> {
  const wanted = (name: string) => wants(`veth.${name}`);
  const reason = missing('taskset', 'chrt');
  if (reason) {
    for (const name of ['linux', 'xdp', 'dpdk', 'one-core'].filter(wanted))
      yield { ...about(name, name), ours: [], skipped: reason };
    return;
  }
  if (['linux', 'xdp', 'dpdk'].some(wanted)) yield* cores({ wanted, say });
  if (wanted('one-core')) yield* oneCore(say);
}
