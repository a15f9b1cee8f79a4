/**
 * The RIB and the compiled FIB against the kernel: random changes of routes, nexthop objects, links and addresses in a
 * namespace; after each handful the tables must be equal, and answer like `ip route get` for every prefix's boundary
 * addresses, and some others.
 */
import type { ExecutionContext } from 'ava';
import type { Link, RibStatus } from '../../runtime/native.js';
import type { Node } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { type Answer, agree, alike, boundaries, forgetWays, tables } from './agree.js';
import { addressesOf, handful, LINKS, type Random, runAll } from './changes.js';
import { type Remote, seeded } from './remote.js';
import { followed } from './scene.js';

/**
 * Of several default routes of IPv4 the kernel takes, for what it sends itself, one whose gateway answers (fib_select_default
 * in net/ipv4); what it forwards goes by the first, as with us. So there it is asked about packets that come in.
 */
const byGateway = ({ rib }: Answer): boolean => rib?.prefix === '0.0.0.0/0';

interface Way {
  readonly dev?: string;
  readonly gateway?: string;
  readonly via?: { readonly host: string };
}

interface Forwarded extends Answer {
  readonly forwarded: string;
}

/** Some of these answers, where the kernel would forward otherwise. */
async function otherwise(router: Node, remote: Remote, answers: readonly Answer[]): Promise<Forwarded[]> {
  const links = await remote.call<Link[]>('rib', 'links');
  const wrong: Forwarded[] = [];
  for (const answer of answers.slice(0, 2)) {
    const asked = ['-j', 'route', 'get', answer.address, 'from', '198.51.100.7', 'iif', 'v0'];
    const said = await router.try('ip', ...asked);
    const way = said.code === 0 ? (JSON.parse(said.stdout) as Way[])[0] : undefined;
    const hop = way?.dev && {
      ifindex: links.find(({ name }) => name === way.dev)?.ifindex,
      gateway: way.gateway ?? way.via?.host,
    };
    const same = hop
      ? answer.rib!.nexthops.some((h) => h.ifindex === hop.ifindex && h.gateway === hop.gateway)
      : answer.rib!.type !== 'unicast';
    if (!same) wrong.push({ ...answer, forwarded: said.stdout || said.stderr });
  }
  return wrong;
}

async function compare(
  t: ExecutionContext,
  router: Node,
  remote: Remote,
  random: Random,
  history: string[],
): Promise<boolean> {
  const addresses = addressesOf(random);
  for (const family of [4, 6] as const) {
    const [kernel, rib] = await tables(router, remote, family);
    addresses.push(...boundaries(kernel, family));
    if (kernel.join('\n') === rib.join('\n')) continue;
    t.deepEqual(
      { onlyRib: rib.filter((l) => !kernel.includes(l)), count: rib.length },
      { onlyRib: kernel.filter((l) => !rib.includes(l)), count: kernel.length },
      `IPv${family} tables differ after:\n${history.slice(-40).join('\n')}`,
    );
    return false;
  }
  let wrong: Answer[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const answers = await remote.call<Answer[]>('agent', 'ask', addresses);
    wrong = [
      ...answers.filter((answer) => !alike(answer) && !byGateway(answer)),
      ...(await otherwise(router, remote, answers.filter(byGateway))),
    ];
    if (wrong.length === 0) break;
    if (wrong.every(({ kernel }) => kernel === undefined)) await forgetWays(router);
    await remote.call('rib', 'settled');
  }
  const after = `answers differ after:\n${history.slice(-40).join('\n')}`;
  t.deepEqual(wrong, [], after);
  return wrong.length === 0 && (await agree(t, remote, addresses, after));
}

/** Others with NETMILL_TEST_SEEDS=4,5. */
const seeds = (process.env.NETMILL_TEST_SEEDS ?? '1,2,3').split(',').map(Number);

for (const seed of seeds) {
  systemTest(
    `random changes leave RIB and compiled FIB equal to the kernel's tables, seed ${seed}`,
    async (t) => {
      await followed(async ({ router, peer }, remote) => {
        const random = seeded(seed);
        const history: string[] = [];
        for (let round = 0; round < scaled(40); round++) {
          const lines = handful(random, false);
          if (random(6) === 0) {
            const carrier = `link set w${random(LINKS)} ${random(2) ? 'up' : 'down'}`;
            history.push(`peer: ${carrier}`);
            await peer.ip(carrier);
          }
          history.push(...lines);
          await runAll(router, lines);
          if (!(await compare(t, router, remote, random, history))) return;
        }
        const status = await remote.call<RibStatus>('rib', 'status');
        t.like(status, { overruns: 0, corrections: 0 });
      });
    },
    { seconds: 180 * Math.max(1, scaled(1)) },
  );
}
