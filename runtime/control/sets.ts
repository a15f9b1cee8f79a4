/** `netmill set`: what sets hold that change at run time. Long lists come in pieces, each a request of its own. */

import type { AddressRanges } from '../../codegen/sets/ranges.js';
import { bitsOfWords, eachPrefix, wordsOf } from '../../codegen/sets/ranges.js';
import { formatAddress } from '../../dsl/address.js';
import type { Active } from '../deploy/deployer.js';
import type { PlanSet } from '../deploy/plan.js';
import { MillError } from '../errors.js';
import type { Sets } from '../sets/sets.js';
import type { Exchange } from './connection.js';
import type { ControlContext } from './context.js';
import type { RequestBody } from './protocol.js';
import type { SetChangeReply, SetReply } from './types.js';

const families = [4, 6] as const;
/** Ranges in one part of an answer. */
const page = 250;
const mostUploads = 4;
const uploadIdleMs = 60_000;

/** Lists that are on their way here. */
export interface Uploads {
  /** @returns the number by which the next piece, and the change, name it */
  add(upload: number | undefined, text: string): Promise<number>;
  /** No piece is added any more. @throws MillError `usage` when it is none of them */
  take(upload: number): void;
}

export function openUploads(sets: Sets): Uploads {
  const open = new Map<number, NodeJS.Timeout>();
  let last = 0;
  const known = (upload: number): NodeJS.Timeout => {
    const found = open.get(upload);
    if (found === undefined) throw new MillError('usage', `there is no list ${upload}`, 'send it again');
    return found;
  };
  const drop = (upload: number): void => {
    open.delete(upload);
    sets.forget(upload).catch(() => undefined);
  };
  return {
    add: async (upload, text) => {
      if (upload === undefined && open.size === mostUploads)
        throw new MillError('busy', `${mostUploads} lists are on their way already`, 'try again');
      const number = upload ?? ++last;
      if (upload === undefined) open.set(number, setTimeout(drop, uploadIdleMs, number).unref());
      known(number).refresh();
      await sets.upload(number, text);
      return number;
    },
    take: (upload) => {
      clearTimeout(known(upload));
      open.delete(upload);
    },
  };
}

export async function listSets(context: ControlContext): Promise<readonly SetReply[]> {
  const active = running(context);
  const replies: SetReply[] = [];
  for (const set of active.bundle.plan.sets) replies.push(await replyOf(context, active, set));
  return replies;
}

export async function showSet(context: ControlContext, name: string): Promise<SetReply> {
  const active = running(context);
  return replyOf(context, active, setNamed(active, name));
}

/** In order, IPv4 first. */
export async function listPrefixes(
  context: ControlContext,
  name: string,
  exchange: Exchange,
): Promise<{ readonly prefixes: number }> {
  const contents = await context.sets.read(setNamed(running(context), name).name, context.link());
  let count = 0;
  for (const family of families)
    for (let at = 0; at < contents[family].count; at += page) {
      const texts = prefixTexts(contents[family], at, Math.min(contents[family].count, at + page));
      await exchange.part(texts);
      count += texts.length;
    }
  return { prefixes: count };
}

function prefixTexts({ family, first, last }: AddressRanges, from: number, to: number): readonly string[] {
  const words = wordsOf(family);
  const part = (all: Uint32Array) => all.subarray(from * words, to * words);
  const texts: string[] = [];
  eachPrefix({ family, count: to - from, first: part(first), last: part(last) }, (address, length) =>
    texts.push(`${formatAddress({ family, bits: bitsOfWords(address) })}/${length}`),
  );
  return texts;
}

export async function changeSet(
  context: ControlContext,
  uploads: Uploads,
  { name, action, upload, force }: Extract<RequestBody, { readonly op: 'set.change' }>,
): Promise<SetChangeReply> {
  const { sets, link, log, deployer } = context;
  uploads.take(upload);
  try {
    return await deployer.inTurn(async () => {
      const started = performance.now();
      const active = running(context);
      const set = setNamed(active, name);
      const done = await sets.change(active.bundle, { set, action, upload, force }, link());
      const reply = await replyOf(context, active, set);
      if (done.cutsOff !== undefined)
        log.warn(
          { set: name, why: done.cutsOff },
          'a set cuts off who must reach the router, as was asked for',
        );
      if (done.changed)
        log.info({ set: name, prefixes: reply.prefixes[4] + reply.prefixes[6] }, 'set changed');
      const milliseconds = Math.round((performance.now() - started) * 10) / 10;
      return { ...reply, changed: done.changed, before: done.before, milliseconds };
    });
  } finally {
    await sets.forget(upload);
  }
}

function running({ deployer }: ControlContext): Active {
  const { active } = deployer;
  if (active) return active;
  throw new MillError('not-found', 'no generation runs', 'deploy one: netmill deploy POLICY');
}

function setNamed({ bundle }: Active, name: string): PlanSet {
  const found = bundle.plan.sets.find((one) => one.name === name);
  if (found) return found;
  const names = bundle.plan.sets.map((one) => one.name).join(', ') || 'none';
  throw new MillError('not-found', `the running policy has no set '${name}'; it has ${names}`);
}

async function replyOf({ sets, link }: ControlContext, { bundle }: Active, set: PlanSet): Promise<SetReply> {
  const { prefixes, changed: at, bytes } = await sets.summary(set.name, link());
  return {
    name: set.name,
    families: set.families,
    prefixes,
    bytes,
    ...(at > 0 && { changedAt: new Date(at).toISOString() }),
    policy: bundle.plan.router,
    origin: set.origin,
  };
}
