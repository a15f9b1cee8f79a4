/** Sets that change at run time: one name is one set, whoever makes it. */
import type { Router, RuntimeSet } from '../../dsl/model.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { duplicates, error } from './report.js';

export function checkSets(router: Router): readonly Diagnostic[] {
  // A fragment that is called twice makes the same set twice.
  const place = ({ file, line, column }: RuntimeSet['origin']) => `${file}:${line}:${column}`;
  const made = (one: RuntimeSet) => `${one.name} ${place(one.origin)} ${one.families} ${one.file}`;
  const distinct = [...new Map(router.sets.map((one) => [made(one), one])).values()];
  return duplicates(distinct, (one) => one.name).map(([first, other]) =>
    error('NM3031', other.origin, `there are two sets '${other.name}'`, {
      related: [{ origin: first.origin, message: 'the other is here.' }],
      fix: 'make it once, as a constant that both use.',
    }),
  );
}
