/** Audits in the log: quiet when all is well, else each prefix that was wrong. */
import type { Logger } from './log.js';
import type { AuditReport } from './native.js';

export function logAudit(log: Logger, report: AuditReport): void {
  const { divergences, repaired, prefixes, addresses, milliseconds } = report;
  const summary = { prefixes, addresses, divergences, repaired, milliseconds };
  if (divergences === 0) {
    log.debug(summary, 'audit: kernel, RIB and compiled FIB agree');
    return;
  }
  for (const { prefix, between, expected, got } of report.last) {
    log.warn({ prefix, between, expected, got }, 'audit: wrong route');
  }
  if (repaired === divergences) log.warn(summary, 'audit: wrong routes were repaired');
  else log.error(summary, 'audit: wrong routes could not be repaired: run netmill fib recouple');
}
