/** Which lookup structure a policy's `engine.lookup` comes to. */
import type { EngineConfig, LookupMethod } from '../dsl/model.js';

/**
 * `auto` is `flat` whatever the table: measured with a full view and with traffic as it is (few prefixes get most of
 * it), the flat tables are the fastest in both families. The others are for machines whose caches are small.
 */
export function lookupOf(engine: EngineConfig): Exclude<LookupMethod, 'auto'> {
  return engine.lookup === 'auto' ? 'flat' : engine.lookup;
}
