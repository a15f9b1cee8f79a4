/**
 * policy.json: the checked policy as plain data, beside the forwarder that was made from it, so that `netmill plan` can
 * compare a new policy with what runs without evaluating anything again.
 */
import type { CheckedPolicy } from './checked.js';

export const policyFile = 'policy.json';
const version = 3;

/** Whole numbers beyond 2^53 are addresses: `{ "$bits": "…" }`. Predicates' functions are left out. */
export function policyToJson(policy: CheckedPolicy): string {
  const { router, predicates, files, policyHash } = policy;
  return `${JSON.stringify({ version, router, predicates, files, policyHash }, (_, value: unknown) =>
    typeof value === 'bigint' ? { $bits: value.toString(16) } : value,
  )}\n`;
}

/** @throws Error when it is not of this version */
export function policyFromJson(text: string): CheckedPolicy {
  const { version: found, ...policy } = JSON.parse(text, (_, value: unknown) =>
    isBits(value) ? BigInt(`0x${value.$bits}`) : value,
  ) as CheckedPolicy & { readonly version?: number };
  if (found !== version) throw new Error(`expected version ${version} of a policy, got ${String(found)}`);
  // Policies that were built before there were sets, or flows, say nothing of them.
  const ports = policy.router.ports.map((port) => ({ ...port, flows: port.flows ?? [] }));
  const router = { ...policy.router, ports, sets: policy.router.sets ?? [] };
  return { ...policy, router, warnings: [], root: '' };
}

function isBits(value: unknown): value is { readonly $bits: string } {
  return typeof value === 'object' && value !== null && '$bits' in value && typeof value.$bits === 'string';
}
