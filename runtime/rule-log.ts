/** The kernel's rules in the log: said once, and again when they are others. */
import type { Logger } from './log.js';
import type { Rib } from './native.js';

export function watchRules(rib: Pick<Rib, 'status'>, log: Logger): () => void {
  let said = '';
  return () => {
    const { rules } = rib.status();
    const all = rules.join('\n');
    if (all === said) return;
    said = all;
    for (const rule of rules) log.warn({ rule }, 'the kernel may go another way, netmill does not follow it');
    if (rules.length === 0) log.info('the kernel asks the tables that are coupled');
  };
}
