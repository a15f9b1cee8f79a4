/*
 * Two routers of the kernel's own, given the same packets, agree: the comparison of forwarding.test.ts is one of
 * routers, not of chance. Topology: support/line.ts, twice.
 */
import { alike, outcomes } from '../support/compare.js';
import { Line } from '../support/line.js';
import { systemTest } from '../support/system-test.js';
import { crafted, craftedRoutes, mutated } from './crafted.js';

systemTest('the kernel agrees with itself on every crafted packet', async (t) => {
  const lines = [await Line.create(), await Line.create()] as const;
  try {
    for (const line of lines) {
      await line.router.ip(...craftedRoutes);
      await line.warm();
    }
    const ends = [await lines[0].traffic(), await lines[1].traffic()] as const;
    let answered = 0;
    for (const { name, frame } of [...crafted, ...mutated(60, 1)]) {
      const [one, other] = await outcomes(ends, [frame], alike);
      t.deepEqual(one, other, name);
      answered += one!.client.length + one!.server.length ? 1 : 0;
    }
    t.true(answered > 40, `only ${answered} packets had any outcome`);
  } finally {
    for (const line of lines) await line.close();
  }
});
