/**
 * Three routers in the same topology (support/line.ts; the way to the provider carries 1,280 bytes), and the same packets
 * for all of them at the same time: the kernel, netmill beside the kernel, and netmill whose engine stands for the router.
 */
import { collect, type Ends, enter, type Outcome } from '../../support/compare.js';
import { Line } from '../../support/line.js';
import { built, Netmill } from '../../support/netmill.js';
import { sleep } from '../../support/netns.js';
import { craftedRoutes } from '../crafted.js';
import { plain } from '../policies.js';
import type { Came } from './came.js';

export const routers = ['kernel', 'faced', 'faceless'] as const;
export type RouterKind = (typeof routers)[number];
export const titles: Readonly<Record<RouterKind, string>> = {
  kernel: 'the kernel',
  faced: 'netmill',
  faceless: "netmill with host: 'none'",
};

/** As `plain`, without the kernel. */
const faceless = `import { router } from 'netmill'
const face = (net: number) => ({
  host: 'none', fallback: 'drop', address: [\`10.0.\${net}.1/24\`, \`2001:db8:\${net}::1/64\`],
} as const)
export default router('faceless', {
  interfaces: {
    client: { port: 'xdp:r0', ...face(1) },
    server: { port: 'xdp:r1', ...face(2) },
    provider: { port: 'xdp:r2', ...face(3) },
  },
  routes: {
    '10.9.0.0/16': '10.0.2.2', '2001:db8:9::/48': '2001:db8:2::2',
    '10.8.0.0/16': '10.0.3.2', '2001:db8:8::/48': '2001:db8:3::2',
    '10.1.0.0/16': '10.0.1.2',
    '10.9.200.0/21': '10.0.3.2', '2001:db8:9:200::/61': '2001:db8:3::2',
  },
})
`;

/** Parts of what is behind the server. */
const longer = ['route add 10.9.200.0/21 via 10.0.3.2', 'route add 2001:db8:9:200::/61 via 2001:db8:3::2'];

interface Standing {
  readonly line: Line;
  readonly ends: Ends;
}

export type Outcomes = Readonly<Record<RouterKind, Came>>;

const settleMs = 25;
const patienceMs = 5000;

export interface Bed {
  readonly routers: Readonly<Record<RouterKind, Standing>>;
  /** What comes out of each router for these frames, once it is `right`; what there is, if it is not within five seconds. */
  outcomes(frames: readonly Buffer[], right: (out: Outcomes) => boolean): Promise<Outcomes>;
  close(): Promise<void>;
}

async function stand(kind: RouterKind): Promise<Standing> {
  const line = await Line.create({ providerMtu: 1280, faceless: kind === 'faceless' });
  try {
    const routes =
      kind === 'faceless' ? craftedRoutes.filter((route) => !route.includes(' via ')) : craftedRoutes;
    await line.router.ip(...routes);
    if (kind !== 'faceless') await line.router.ip(...longer);
    if (kind !== 'kernel')
      await Netmill.start(line.lab, line.router, await built(kind === 'faced' ? plain : faceless));
    await (kind === 'faceless' ? line.warmFromOutside() : line.warm());
    return { line, ends: await line.traffic() };
  } catch (error) {
    await line.close();
    throw error;
  }
}

function came(out: Outcome): Came {
  const bytes = (all: readonly string[]) => all.map((one) => Buffer.from(one, 'hex'));
  return { client: bytes(out.client), server: bytes(out.server), provider: bytes(out.provider) };
}

export async function createBed(): Promise<Bed> {
  const stood = await Promise.allSettled(routers.map(stand));
  const lines = stood.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const close = async () => {
    for (const { line } of lines) await line.close();
  };
  const failed = stood.find((one) => one.status === 'rejected');
  if (failed) {
    await close();
    throw failed.reason;
  }
  const [kernel, faced, faceless] = lines as [Standing, Standing, Standing];
  return {
    routers: { kernel, faced, faceless },
    close,
    async outcomes(frames, right) {
      await Promise.all(lines.map(({ ends }) => enter(ends, frames)));
      for (const end = performance.now() + patienceMs; ; ) {
        await sleep(settleMs);
        const all = await Promise.all(lines.map(({ ends }) => collect(ends)));
        const [a, b, c] = all.map(came) as [Came, Came, Came];
        const out = { kernel: a, faced: b, faceless: c };
        if (right(out) || performance.now() > end) return out;
      }
    },
  };
}
