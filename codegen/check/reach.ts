/** Who must reach the router: by interfaces that there are, and to addresses that are known. */
import type { Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { error } from './report.js';

export function checkReach(router: Router): readonly Diagnostic[] {
  return router.mustReach.flatMap((one): readonly Diagnostic[] => {
    const face = router.interfaces.find((face) => face.name === one.in);
    if (face === undefined)
      return [
        error('NM4013', inside(one.origin, 'in'), `there is no interface '${one.in}'`, {
          expected: router.interfaces.map((face) => face.name).join(', '),
          got: `'${one.in}'`,
        }),
      ];
    if (one.to !== undefined || face.addresses.length > 0) return [];
    return [
      error(
        'NM4014',
        one.origin,
        `'${one.name}' does not say where to, and '${one.in}' has no address in the policy`,
        {
          expected: "to: nets('192.0.2.1')",
          fix: 'give the address, here or to the interface.',
        },
      ),
    ];
  });
}
