/** The JSON of `nft -j list ruleset`: libnftables-json(5), schema version 1. */
import { z } from 'zod';
import type { Problem } from '../../../dsl/model.js';

const place = { family: z.string(), table: z.string() };
const handle = z.number();

const chain = z.object({
  ...place,
  name: z.string(),
  handle,
  type: z.string().optional(),
  hook: z.string().optional(),
  prio: z.number().optional(),
  policy: z.string().optional(),
});

const rule = z.object({
  ...place,
  chain: z.string(),
  handle,
  comment: z.string().optional(),
  expr: z.array(z.record(z.string(), z.unknown())),
});

const set = z.object({
  ...place,
  name: z.string(),
  handle,
  type: z.unknown(),
  flags: z.array(z.string()).optional(),
  elem: z.array(z.unknown()).optional(),
});

const map = set.extend({ map: z.unknown() });

export type NftChain = z.infer<typeof chain>;
export type NftRule = z.infer<typeof rule>;
export type NftSet = z.infer<typeof set>;
/** Of verdicts. */
export type NftMap = z.infer<typeof map>;

export interface Ruleset {
  readonly chains: readonly NftChain[];
  readonly rules: readonly NftRule[];
  readonly sets: readonly NftSet[];
  readonly maps: readonly NftMap[];
  /** Kinds of objects that are no chains, rules, sets or verdict maps: `flowtable "f" of inet edge`. */
  readonly others: readonly string[];
}

const object = z.record(z.string(), z.unknown());
const whole = z.object({ nftables: z.array(object) });

export function readRuleset(file: string, text: string): Ruleset | Problem {
  const wrong = (message: string, got: string): Problem => ({
    code: 'NM6001',
    origin: { file, line: 1, column: 1 },
    message,
    expected: 'what `nft -j list ruleset` prints',
    got,
    fix: 'write it with: nft -j list ruleset > ruleset.json',
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return wrong('this is not JSON', (error as Error).message);
  }
  const outer = whole.safeParse(json);
  if (!outer.success) return wrong('this is no ruleset of nftables', outer.error.issues[0]!.message);
  const found = {
    chains: [] as NftChain[],
    rules: [] as NftRule[],
    sets: [] as NftSet[],
    maps: [] as NftMap[],
    others: [] as string[],
  };
  for (const one of outer.data.nftables) {
    const [kind = 'nothing'] = Object.keys(one);
    const read = readObject(kind, one[kind], found);
    if (read !== undefined) return wrong(`a ${kind} of this ruleset is not understood`, read);
  }
  return found;
}

/** @returns what is wrong with it */
function readObject(
  kind: string,
  value: unknown,
  found: { chains: NftChain[]; rules: NftRule[]; sets: NftSet[]; maps: NftMap[]; others: string[] },
): string | undefined {
  const keep = <T>(schema: z.ZodType<T>, into: T[]): string | undefined => {
    const parsed = schema.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return `${issue!.path.join('.')}: ${issue!.message}`;
    }
    into.push(parsed.data);
    return undefined;
  };
  const keepOther = (): undefined => {
    const named = object.safeParse(value).data ?? {};
    found.others.push(`${kind} "${String(named.name)}" of ${String(named.family)} ${String(named.table)}`);
  };
  switch (kind) {
    case 'metainfo':
    case 'table':
      return undefined;
    case 'chain':
      return keep(chain, found.chains);
    case 'rule':
      return keep(rule, found.rules);
    case 'set':
      return keep(set, found.sets);
    case 'map':
      // Others, of addresses and ports, are for translation.
      if (object.safeParse(value).data?.map === 'verdict') return keep(map, found.maps);
      return keepOther();
    default:
      return keepOther();
  }
}
