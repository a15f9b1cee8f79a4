/** Random policies of short ACLs that do little but let pass and drop. */
import { type Random, randomOf } from '../../codegen/selftest/random.js';
import { acl, allow, deny, nets, router } from '../../dsl/index.js';
import type { Router } from '../../dsl/model.js';
import type { Nets } from '../../dsl/nets.js';
import { prefix4, prefix6, serviceOf } from './random-match.js';

export function randomPlainPolicy(seed: number): Router {
  const random = randomOf(seed);
  const list = (name: string) =>
    acl(
      name,
      {
        default: random.pick(['allow', 'deny']),
        log: random.once(3),
        neighbourDiscovery: random.pick(['builtin', 'explicit']),
      },
      Array.from({ length: 1 + random.below(8) }, (_, i) => {
        const match = {
          ...(random.once(2) && { from: fewOf(random) }),
          ...(random.once(2) && { to: fewOf(random) }),
          ...(random.once(3) ? {} : { service: serviceOf(random) }),
        };
        const rule = random.once(2) ? allow(match) : deny(match);
        return i < 2 && random.once(6) ? rule.log() : rule;
      }),
    );
  return router('plain', {
    interfaces: {
      one: {
        port: 'pipe:p0',
        address: ['10.0.0.1/24', '2001:db8:1::1/64'],
        fallback: 'drop',
        in: list('in'),
      },
      two: {
        port: 'pipe:p1',
        address: ['10.1.0.1/24', '2001:db8:2::1/64'],
        fallback: 'drop',
        out: list('out'),
      },
    },
  });
}

function fewOf(random: Random): Nets {
  const texts = Array.from({ length: 1 + random.below(3) }, () =>
    random.once(2) ? prefix4(random) : prefix6(random),
  );
  return nets(...(texts as '10.0.0.0/8'[])) as Nets;
}
