/** `netmill set`: what sets hold that change at run time. Long lists come in pieces, each a request of its own. */

import { mostPrefixes, noContents, type SetContents } from '../../codegen/sets/contents.js';
import {
  bitsOfWords,
  countPrefixes,
  difference,
  eachPrefix,
  sameRanges,
  union,
} from '../../codegen/sets/ranges.js';
import { SetReader } from '../../codegen/sets/read.js';
import { formatAddress } from '../../dsl/address.js';
import type { Active } from '../deploy/deployer.js';
import type { PlanSet } from '../deploy/plan.js';
import { MillError } from '../errors.js';
import { wrongLines } from '../sets/wrong-lines.js';
import type { Exchange } from './connection.js';
import type { ControlContext } from './context.js';
import type { RequestBody } from './protocol.js';
import type { SetChangeReply, SetReply } from './types.js';

const families = [4, 6] as const;
const page = 1000;
const mostUploads = 4;
const uploadIdleMs = 60_000;

/** Lists that are on their way here. */
export interface Uploads {
  /** @returns the number by which the next piece, and the change, name it */
  add(upload: number | undefined, text: string): number;
  /** What was read, which is forgotten here. @throws MillError `usage` when some line is wrong */
  take(upload: number): SetContents;
}

export function openUploads(): Uploads {
  const open = new Map<number, { readonly reader: SetReader; readonly timer: NodeJS.Timeout }>();
  let last = 0;
  const known = (upload: number) => {
    const found = open.get(upload);
    if (found === undefined) throw new MillError('usage', `there is no list ${upload}`, 'send it again');
    return found;
  };
  return {
    add: (upload, text) => {
      if (upload === undefined && open.size === mostUploads)
        throw new MillError('busy', `${mostUploads} lists are on their way already`, 'try again');
      const number = upload ?? ++last;
      if (upload === undefined) {
        const timer = setTimeout(() => open.delete(number), uploadIdleMs);
        timer.unref();
        open.set(number, { reader: new SetReader(families), timer });
      }
      const { reader, timer } = known(number);
      reader.read(Buffer.from(text));
      timer.refresh();
      return number;
    },
    take: (upload) => {
      const { reader, timer } = known(upload);
      clearTimeout(timer);
      open.delete(upload);
      if (reader.mistakes.length > 0) throw wrongLines('the list', reader.mistakes);
      return reader.contents();
    },
  };
}

export function listSets(context: ControlContext): readonly SetReply[] {
  const active = running(context);
  return active.bundle.plan.sets.map((set) => replyOf(context, active, set));
}

export function showSet(context: ControlContext, name: string): SetReply {
  const active = running(context);
  return replyOf(context, active, setNamed(active, name));
}

/** In order, IPv4 first. */
export async function listPrefixes(
  context: ControlContext,
  name: string,
  exchange: Exchange,
): Promise<{ readonly prefixes: number }> {
  const { contents } = held(context, setNamed(running(context), name));
  let count = 0;
  for (const family of families) {
    const texts: string[] = [];
    eachPrefix(contents[family], (address, length) =>
      texts.push(`${formatAddress({ family, bits: bitsOfWords(address) })}/${length}`),
    );
    for (let at = 0; at < texts.length; at += page) await exchange.part(texts.slice(at, at + page));
    count += texts.length;
  }
  return { prefixes: count };
}

export function changeSet(
  context: ControlContext,
  uploads: Uploads,
  { name, action, upload, force }: Extract<RequestBody, { readonly op: 'set.change' }>,
): Promise<SetChangeReply> {
  const given = uploads.take(upload);
  return context.deployer.inTurn(async () => {
    const started = performance.now();
    const active = running(context);
    const set = setNamed(active, name);
    const alien = families.find((family) => given[family].count > 0 && !set.families.includes(family));
    if (alien !== undefined)
      throw new MillError(
        'usage',
        `set '${name}' holds IPv${alien === 4 ? 6 : 4} alone, and IPv${alien} was given`,
      );
    const before = held(context, set).contents;
    const contents = changed(before, given, action);
    const changes = families.some((family) => !sameRanges(before[family], contents[family]));
    if (changes) await put(context, active, name, contents, force);
    return {
      ...replyOf(context, active, set),
      changed: changes,
      before: countPrefixes(before[4]) + countPrefixes(before[6]),
      milliseconds: Math.round((performance.now() - started) * 10) / 10,
    };
  });
}

async function put(
  { sets, link, log }: ControlContext,
  active: Active,
  name: string,
  contents: SetContents,
  force: boolean,
): Promise<void> {
  if (contents[4].count + contents[6].count > mostPrefixes)
    throw new MillError('usage', `set '${name}' would hold more than ${mostPrefixes} networks`);
  try {
    sets.judge(active.bundle, link(), new Map([[name, contents]]));
  } catch (error) {
    if (!(error instanceof MillError)) throw error;
    if (!force)
      throw new MillError(
        error.code,
        error.message,
        'leave that out, or say --force: nothing has changed',
        error.details,
      );
    log.warn({ set: name, why: error.message }, 'a set cuts off who must reach the router, as was asked for');
  }
  await sets.change(name, contents, link());
  log.info({ set: name, ranges: contents[4].count + contents[6].count }, 'set changed');
}

function changed(before: SetContents, given: SetContents, action: 'add' | 'delete' | 'replace'): SetContents {
  if (action === 'replace') return given;
  const apply = action === 'add' ? union : difference;
  return { 4: apply(before[4], given[4]), 6: apply(before[6], given[6]) };
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

function held({ sets, link }: ControlContext, { name }: PlanSet) {
  return sets.read(name, link()) ?? { contents: noContents, changed: 0, bytes: 0 };
}

function replyOf(context: ControlContext, { bundle }: Active, set: PlanSet): SetReply {
  const { contents, changed: at, bytes } = held(context, set);
  return {
    name: set.name,
    families: set.families,
    prefixes: { 4: countPrefixes(contents[4]), 6: countPrefixes(contents[6]) },
    bytes,
    ...(at > 0 && { changedAt: new Date(at).toISOString() }),
    policy: bundle.plan.router,
    origin: set.origin,
  };
}
