/** Workers and their rings. */
import type { Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { duplicates, error, warning } from './report.js';

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
  return [...unknown, ...twice, ...sharedCores(router)];
}

/** Who sleeps gives way to the other; who never does takes the core from it for a time slice, some milliseconds of packets. */
function sharedCores({ engine, origin }: Router): readonly Diagnostic[] {
  const pinned = engine.workers.flatMap(({ core }, i) =>
    core === undefined ? [] : [{ core, origin: inside(origin, 1, 'engine', 'workers', i, 'core') }],
  );
  const busy = engine.events === 'busy';
  return duplicates(pinned, (one) => `${one.core}`).map(([first, other]) =>
    (busy ? error : warning)(
      'NM4024',
      other.origin,
      busy
        ? `two workers that never sleep are on core ${other.core}: each would wait milliseconds for the other`
        : `two workers are on core ${other.core}: together they forward no more than one`,
      {
        related: [{ origin: first.origin, message: 'the other is here.' }],
        expected: 'a core for each worker',
        got: `core ${other.core} twice`,
        fix: busy ? "give each its own core, or take events: 'adaptive'." : 'give each its own core.',
      },
    ),
  );
}
