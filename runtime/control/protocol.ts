/**
 * What is said on the control socket. One request a frame, answered by any number of `part` and `progress` frames
 * and then one with `ok`. Versions must be equal: daemon and CLI come from one package.
 */
import { z } from 'zod';
import type { ErrorData } from '../errors.js';

export const PROTOCOL_VERSION = 1;

const text = (max: number) => z.string().min(1).max(max);
const op = <N extends string, S extends z.ZodRawShape>(name: N, shape: S) =>
  z.strictObject({ op: z.literal(name), ...shape });
const plain = <N extends string>(name: N) => z.strictObject({ op: z.literal(name) });

/** SHA-256. */
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const requestBody = z.discriminatedUnion('op', [
  plain('status'),
  plain('ifconfig'),
  plain('arp'),
  op('arp.add', { address: text(64), mac: text(17), iface: text(64).optional() }),
  op('arp.delete', { address: text(64), iface: text(64).optional() }),
  plain('counter'),
  plain('generations'),
  plain('acl.list'),
  plain('acl.reload'),
  plain('log'),
  plain('shutdown'),
  op('acl.set', { enabled: z.boolean() }),
  op('route.list', { family: z.union([z.literal(4), z.literal(6)]).optional() }),
  op('route.top', { seconds: z.number().min(0.1).max(60), limit: z.int().min(1).max(10_000) }),
  op('route.get', { address: text(64) }),
  op('trace', { packet: text(1024) }),
  op('route.add', { prefix: text(64), gateway: text(64).optional(), iface: text(64).optional() }),
  op('route.delete', { prefix: text(64) }),
  op('route.dump', { file: text(4096).optional() }),
  plain('set.list'),
  op('set.show', { name: text(64) }),
  op('set.prefixes', { name: text(64) }),
  /** A piece of a list, of whole lines; `upload` is what the first piece was answered. */
  op('set.upload', { upload: z.int().positive().optional(), text: z.string().max(60_000) }),
  op('set.change', {
    name: text(64),
    action: z.enum(['add', 'delete', 'replace']),
    upload: z.int().positive(),
    /** Also when it cuts off who must reach the router. */
    force: z.boolean(),
  }),
  op('fib', { action: z.enum(['couple', 'decouple', 'recouple', 'audit', 'status']) }),
  op('deploy', {
    path: text(4096),
    /** A bundle that was made from `path` already. */
    bundle: text(4096).optional(),
    /** Hashes that a plan was made for: anything else is refused. */
    expect: z.strictObject({ policyHash: hash, againstHash: hash.optional() }).optional(),
  }),
  op('rollback', { generation: z.int().positive().optional() }),
]);

export type RequestBody = z.infer<typeof requestBody>;
export type Op = RequestBody['op'];

const envelope = z.strictObject({
  v: z.literal(PROTOCOL_VERSION),
  id: z.int().nonnegative(),
  body: requestBody,
});

export type Request = z.infer<typeof envelope>;

export type Reply =
  | { readonly v: number; readonly id: number; readonly part: unknown }
  | { readonly v: number; readonly id: number; readonly progress: string }
  | { readonly v: number; readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly v: number; readonly id: number; readonly ok: false; readonly error: ErrorData };

/** What only uid 0 and the daemon's own uid may ask for: these run code in the engine or change what it does. */
const privileged: ReadonlySet<Op> = new Set<Op>([
  'arp.add',
  'arp.delete',
  'acl.reload',
  'acl.set',
  'route.add',
  'route.delete',
  'route.dump',
  'deploy',
  'rollback',
  'set.change',
  'set.upload',
  'shutdown',
]);

export function needsPrivilege(body: RequestBody): boolean {
  return privileged.has(body.op) || (body.op === 'fib' && body.action !== 'status');
}

export type ParsedRequest =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly id: number; readonly error: ErrorData };

export function parseRequest(message: unknown): ParsedRequest {
  const parsed = envelope.safeParse(message);
  if (parsed.success) return { ok: true, request: parsed.data };
  const loose = message as { v?: unknown; id?: unknown } | null;
  const id = typeof loose?.id === 'number' ? loose.id : 0;
  if (typeof loose?.v === 'number' && loose.v !== PROTOCOL_VERSION) {
    const message = `expected protocol version ${PROTOCOL_VERSION}, got ${loose.v}`;
    return {
      ok: false,
      id,
      error: { code: 'usage', message, fix: 'use the netmill command of the same version' },
    };
  }
  const issue = parsed.error.issues[0]!;
  return { ok: false, id, error: { code: 'usage', message: wording(issue) } };
}

/** Texts that are too long, or empty, are what an operator wrote; what else is wrong is another program's mistake. */
function wording(issue: z.core.$ZodIssue): string {
  const name = String(issue.path.at(-1));
  if (issue.code === 'too_big' && issue.origin === 'string')
    return `${name} is too long: expected at most ${issue.maximum} characters`;
  if (issue.code === 'too_small' && issue.origin === 'string') return `${name} is empty`;
  const where = issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
  return `request not understood: ${where}${issue.message}`;
}
