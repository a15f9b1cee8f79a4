/**
 * The RIB against the kernel: random changes of routes, nexthop objects, links and addresses in a namespace; after
 * each handful the tables must be equal, and answer alike for random addresses.
 */
import type { ExecutionContext } from 'ava';
import type { RibStatus } from '../../runtime/native.js';
import { Lab, type Node } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { type Answer, alike, tables } from './agree.js';
import { addressesOf, handful, LINKS, type Random, runAll, topology } from './changes.js';
import { type Remote, seeded, startAgent } from './remote.js';

async function compare(
  t: ExecutionContext,
  router: Node,
  remote: Remote,
  random: Random,
  history: string[],
): Promise<boolean> {
  for (const family of [4, 6] as const) {
    const [kernel, rib] = await tables(router, remote, family);
    if (kernel.join('\n') === rib.join('\n')) continue;
    t.deepEqual(
      { onlyRib: rib.filter((l) => !kernel.includes(l)), count: rib.length },
      { onlyRib: kernel.filter((l) => !rib.includes(l)), count: kernel.length },
      `IPv${family} tables differ after:\n${history.slice(-40).join('\n')}`,
    );
    return false;
  }
  const addresses = addressesOf(random);
  let wrong: Answer[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    wrong = (await remote.call<Answer[]>('agent', 'ask', addresses)).filter((answer) => !alike(answer));
    if (wrong.length === 0) break;
    await remote.call('rib', 'settled');
  }
  t.deepEqual(wrong, [], `answers differ after:\n${history.slice(-40).join('\n')}`);
  return wrong.length === 0;
}

for (const seed of [1, 2, 3]) {
  systemTest(
    `random changes leave the RIB equal to the kernel's tables, seed ${seed}`,
    async (t) => {
      const lab = await Lab.create();
      try {
        const { router, peer } = await topology(lab);
        const remote = startAgent(lab, router);
        await remote.call('rib', 'start');
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
      } finally {
        await lab.close();
      }
    },
    { seconds: 180 },
  );
}
