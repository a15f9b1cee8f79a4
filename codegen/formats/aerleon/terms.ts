/** Terms as rules: one, or several where a rule cannot say "source or destination". */
import { formatAddress } from '../../../dsl/address.js';
import type { Address, Family, HeaderMatch } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { DraftAction, DraftEntry, DraftNets, DraftRule } from '../draft.js';
import { portRangeOf, prefixesOfName, prefixOf } from './definitions.js';
import { type Meaning, meaningOf, onlyWord, rangeOf, type Selection } from './fields.js';
import { commentLines } from './policy-yaml.js';
import { type RawField, type RawTerm, refuse, type Word } from './raw.js';
import { optionsOf, servicesOf, type TermContext } from './term-services.js';

const widest = 90;
const ends: Readonly<Record<Family, DraftNets>> = {
  4: { kind: 'nets', prefixes: [{ family: 4, bits: 0n, length: 0 }] },
  6: { kind: 'nets', prefixes: [{ family: 6, bits: 0n, length: 0 }] },
};

/** @throws Refused */
export function entriesOfTerm(term: RawTerm, context: TermContext): readonly DraftEntry[] {
  const said = commentLines(term.fields);
  const [only, second] = said;
  const why = only !== undefined && second === undefined && only.length <= widest ? only : undefined;
  const above = [...term.comments, ...(why === undefined ? said : [])].map(comment);
  const left = leftOut(term, context);
  if (left !== undefined) return [...above, comment(`${term.name.text}: ${left}`)];
  const meaning = meaningOf(term);
  const { expires, action } = meaning;
  if (expires && dayBefore(expires) < context.today)
    return [...above, comment(`${term.name.text}: expired on ${expires.text}, and is left out there, too`)];
  if (action?.kind === 'next') return [...above, comment(nothing(term, meaning))];
  const rules = rulesOf(term, meaning, context);
  if (rules.length === 0) return [...above, comment(`${term.name.text}: no packet matches it`)];
  if (meaning.log) context.assume('What is logged is logged ten times a second at most.');
  const named = rules.map((rule, i): DraftRule => {
    const id = freeId(rules.length > 1 ? `${term.name.text}-${i + 1}` : term.name.text, context.ids);
    return { ...rule, id, ...(why !== undefined && { why }) };
  });
  return [...above, ...named];
}

const comment = (text: string) => ({ kind: 'comment' as const, text });

/** Why the generator of this platform has nothing of it. */
function leftOut(term: RawTerm, { target }: TermContext): string | undefined {
  const words = (key: string) =>
    term.fields.filter((one) => one.key.text === key).flatMap((one) => one.words.map((word) => word.text));
  const [platforms, excluded] = [words('platform'), words('platform-exclude')];
  if (platforms.length > 0 && !platforms.includes(target.platform))
    return `for ${platforms.join(', ')} alone`;
  if (excluded.includes(target.platform)) return `not for ${target.platform}`;
  if (
    term.fields.some((one) => one.key.text === 'option' && one.words.some(({ text }) => text === 'inactive'))
  )
    return 'inactive';
  const verbatim = term.fields.find((one) => one.key.text === 'verbatim');
  if (verbatim)
    refuse('NM6003', verbatim.key.origin, `${show(term.name.text)} is text of another router`, {
      expected: 'fields',
      fix: `write it as a term, or delete it, or exclude it: platform-exclude: ${target.platform}.`,
    });
  return undefined;
}

/** The last day for which it is there. @throws Refused */
function dayBefore({ text, origin }: Word): string {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(time))
    return refuse('NM6001', origin, `${show(text)} is not a day`, {
      expected: 'YYYY-MM-DD',
      got: show(text),
    });
  return new Date(time - 86_400_000).toISOString().slice(0, 10);
}

/** `next` decides nothing; what else it did would be lost. */
function nothing({ name }: RawTerm, { counter, log, marks, nextIp }: Meaning): string {
  if (counter !== undefined || log || marks !== undefined || nextIp)
    refuse(
      'NM6003',
      name.origin,
      `${show(name.text)} counts, logs or marks, and leaves the verdict to later terms`,
      {
        expected: 'a term that decides',
        got: "'action: next'",
        fix: 'count, log or mark in the terms that decide.',
      },
    );
  return `${name.text}: next, so it decides nothing`;
}

function freeId(wanted: string, ids: Set<string>): string {
  let free = wanted;
  for (let number = 2; ids.has(free); number++) free = `${wanted}.${number}`;
  ids.add(free);
  return free;
}

/** None: no packet of these families matches. */
function rulesOf(term: RawTerm, meaning: Meaning, context: TermContext): readonly DraftRule[] {
  const families = familiesOf(term, meaning, context);
  if (families.length === 0) return [];
  const flags = optionsOf(term, meaning, context);
  const services = servicesOf(term, meaning, flags.highPorts, context);
  const pairs = addressPairs(term, meaning, families, context);
  const action = actionOf(term, meaning, families, context);
  return pairs.flatMap(({ from, to }) =>
    services.map((service): DraftRule => {
      const icmp = meaning.icmpTypes !== undefined;
      const says = from === undefined && to === undefined && families.length === 1 && !icmp;
      const source = says ? ends[families[0]!] : from;
      const header: HeaderMatch = {
        ...meaning.header,
        ...ttlOf(meaning, families),
        ...(flags.flags && { flags: flags.flags }),
        ...(flags.fragment && { fragment: flags.fragment }),
      };
      return {
        kind: 'rule',
        action,
        ...(source && { from: source }),
        ...(to && { to }),
        ...(service && { service }),
        ...(Object.keys(header).length > 0 && { header }),
        log: meaning.log,
        ...(meaning.marks !== undefined && { marks: meaning.marks }),
        ...(meaning.counter !== undefined && { counter: meaning.counter }),
        ...(meaning.owner !== undefined && { owner: meaning.owner }),
        ...(meaning.expires && { expires: dayBefore(meaning.expires) }),
        origin: term.name.origin,
        called: `term ${term.name.text} there`,
      };
    }),
  );
}

/** ICMP is IPv4's, ICMPv6 IPv6's: generators leave a term out of the other family, with whatever else it has. */
function familiesOf(
  { name }: RawTerm,
  { protocols = [], family }: Meaning,
  { target }: TermContext,
): readonly Family[] {
  const judged = target.families.filter((one) => family === undefined || one === family);
  const own = ([4, 6] as const).filter((one) => protocols.includes(one === 4 ? 1 : 58));
  if (own.length === 0) return judged;
  const [mine] = own;
  if (own.length === 1 && protocols.every((one) => one === 1 || one === 58))
    return judged.filter((one) => one === mine);
  if (own.length === 1 && judged.every((one) => one === mine)) return judged;
  return refuse(
    'NM6004',
    name.origin,
    `${show(name.text)} has ${own.map((one) => (one === 4 ? 'icmp' : 'icmpv6')).join(' and ')} beside other protocols, which platforms leave out of one family or the other`,
    {
      expected: 'a term for icmp, one for icmpv6, and one for the others',
      fix: 'split the term.',
    },
  );
}

interface Pair {
  readonly from?: DraftNets | undefined;
  readonly to?: DraftNets | undefined;
}

/** None: no address is left. */
function addressPairs(
  { name }: RawTerm,
  { source, destination, either }: Meaning,
  families: readonly Family[],
  { objects }: TermContext,
): readonly Pair[] {
  if (isSaid(either) && (isSaid(source) || isSaid(destination)))
    refuse(
      'NM6003',
      name.origin,
      `${show(name.text)} has 'address' beside 'source-address' or 'destination-address'`,
      { fix: 'make two terms.' },
    );
  const selections = [source, destination, either];
  const common = selections.reduce((left, one) => objects.families(one, left), families);
  if (common.length === 0) return [];
  const [from, to, one] = selections.map((selection) => objects.nets(selection, families));
  return one === undefined ? [{ from, to }] : [{ from: one }, { to: one }];
}

function isSaid({ words, excluded }: Selection): boolean {
  return words.length + excluded.length > 0;
}

/** Generators leave these tests out of the other family: nothing would be left of them. */
function ttlOf({ ttl, hopLimit }: Meaning, families: readonly Family[]): Pick<HeaderMatch, 'ttl'> {
  if (ttl && hopLimit) refuse('NM6003', hopLimit.key.origin, "'hop-limit' beside 'ttl' has no counterpart");
  const field = ttl ?? hopLimit;
  if (!field) return {};
  const family = ttl ? 4 : 6;
  if (families.some((one) => one !== family))
    refuse(
      'NM6004',
      field.key.origin,
      `'${field.key.text}' is of IPv${family}, and the term is of both families`,
      {
        fix: `say 'restrict-address-family: inet${family === 4 ? '' : '6'}'.`,
      },
    );
  return { ttl: [ttl ? portRangeOf(onlyWord(ttl), 255, 'a TTL') : rangeOf(field, 255)] };
}

function actionOf(
  term: RawTerm,
  meaning: Meaning,
  families: readonly Family[],
  context: TermContext,
): DraftAction {
  const { action, nextIp, marks, protocols = [] } = meaning;
  const { name } = term;
  if (nextIp) return nexthopOf(nextIp, meaning, families, context);
  if (!action || action.kind === 'next')
    return refuse('NM6001', name.origin, `${show(name.text)} has no action`);
  if (marks !== undefined && action.kind !== 'allow')
    refuse('NM6003', name.origin, `${show(name.text)} marks packets that it drops`);
  const resets = action.kind === 'reject' && action.tcp === 'reset';
  if (resets && (protocols.length !== 1 || protocols[0] !== 6))
    refuse('NM6003', name.origin, `${show(name.text)} answers other protocols than tcp with a reset`, {
      fix: "say 'protocol: tcp'.",
    });
  if (action.kind === 'reject' && !resets)
    context.assume("What is rejected is answered with ICMP's 'administratively prohibited', TCP, too.");
  return action;
}

function nexthopOf(
  field: RawField,
  { action }: Meaning,
  families: readonly Family[],
  { definitions }: TermContext,
): DraftAction {
  const word = onlyWord(field);
  if (action && action.kind !== 'allow')
    refuse('NM6003', word.origin, "'next-ip' of packets that do not pass has no counterpart");
  const isName = definitions.networks.has(word.text);
  const found = isName ? prefixesOfName(word, definitions).map((one) => one.prefix) : [prefixOf(word)];
  const gateways = found.filter(({ family }) => families.includes(family));
  const whole = gateways.every(({ family, length }) => length === (family === 4 ? 32 : 128));
  const each = families.every((family) => gateways.filter((one) => one.family === family).length === 1);
  if (!whole || !each)
    refuse('NM6003', word.origin, `'next-ip' is ${found.map((one) => formatAddress(one)).join(', ')}`, {
      expected: `one address of ${families.map((family) => `IPv${family}`).join(' and of ')}`,
      fix: "name one for each family, or say 'restrict-address-family'.",
    });
  return { kind: 'nexthop', gateways: gateways.map(({ family, bits }): Address => ({ family, bits })) };
}
