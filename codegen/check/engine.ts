/** Workers and their rings. */
import type { Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { duplicates, error } from './report.js';

export function checkEngine(router: Router): readonly Diagnostic[] {
  const place = inside(router.origin, 1, 'engine', 'workers');
  const names = router.ports.map((port) => port.name);
  const rings = router.engine.workers.flatMap((worker, i) =>
    Object.entries(worker.rings ?? {}).flatMap(([port, numbers]) =>
      numbers.map((ring) => ({ port, ring, worker: i, origin: inside(place, i, 'rings', port) })),
    ),
  );
  const unknown = router.engine.workers.flatMap((worker, i) =>
    Object.keys(worker.rings ?? {})
      .filter((port) => !names.includes(port))
      .map((port) =>
        error('NM4013', inside(place, i, 'rings', port), `there is no port '${port}'`, {
          expected: names.join(', '),
          got: `'${port}'`,
        }),
      ),
  );
  const twice = duplicates(rings, (one) => `${one.port} ${one.ring}`).map(([first, other]) =>
    error('NM4016', other.origin, `ring ${other.ring} of '${other.port}' is given to two workers`, {
      related: [{ origin: first.origin, message: 'the other is here.' }],
    }),
  );
  return [...unknown, ...twice];
}
