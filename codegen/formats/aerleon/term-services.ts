/** What a term asks of protocols, ports, ICMP types and flags, as services and tests of headers. */
import type { Family, FlagTest, PortRange, ServiceMatch } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { DraftService } from '../draft.js';
import { type Definitions, portRangeOf } from './definitions.js';
import { flagsOf, type Meaning } from './fields.js';
import { type Objects, ported } from './objects.js';
import { type RawField, type RawTerm, refuse } from './raw.js';
import type { Target } from './targets.js';
import { icmpTypeOf } from './words.js';

export interface TermContext {
  readonly target: Target;
  readonly definitions: Definitions;
  readonly objects: Objects;
  /** `2027-03-31` */
  readonly today: string;
  /** Ids that rules of this list have, so far. */
  readonly ids: Set<string>;
  readonly assume: (sentence: string) => void;
}

const highPorts: readonly PortRange[] = [{ from: 1024, to: 65_535 }];
const every: readonly PortRange[] = [{ from: 0, to: 65_535 }];

export interface Options {
  readonly flags?: readonly FlagTest[];
  readonly fragment?: 'first' | 'later';
  /** As destination ports, where none are said. */
  readonly highPorts: boolean;
}

export function optionsOf(term: RawTerm, meaning: Meaning, context: TermContext): Options {
  const { protocols = [], options } = meaning;
  const isTcp = protocols.length === 1 && protocols[0] === 6;
  let fragment: Options['fragment'];
  let highPorts = false;
  const tests: (readonly FlagTest[])[] = [];
  for (const option of options) {
    const { text, origin } = option;
    const flags = flagsOf(text);
    if (text === 'is-fragment' || text === 'fragments' || text === 'first-fragment') {
      fragment = text === 'first-fragment' ? 'first' : 'later';
      if (fragment === 'later') {
        context.assume("Option 'is-fragment' means all fragments but the first.");
        if (meaning.sports || meaning.dports || meaning.ports || meaning.icmpTypes)
          refuse(
            'NM6003',
            origin,
            `${show(term.name.text)} asks ports or types of fragments that have none`,
            {
              fix: 'delete one of them.',
            },
          );
      }
    } else if (text === 'established' && protocols.length === 1 && protocols[0] === 17) {
      highPorts = true;
      context.assume(
        "Option 'established' of UDP means the destination ports 1024-65535: an ACL does not know whether it is an answer.",
      );
      if (meaning.dports)
        refuse(
          'NM6004',
          origin,
          `whether 'established' adds high ports to those that ${show(term.name.text)} names, platforms do not agree`,
          {
            fix: 'delete the option, and name the ports that are meant.',
          },
        );
    } else if (flags === undefined)
      refuse('NM6003', origin, `option ${show(text)} has no counterpart`, {
        expected:
          'tcp-established, established, tcp-initial, initial, ack, fin, psh, rst, syn, urg, is-fragment, first-fragment, inactive',
        got: show(text),
        fix: 'say it otherwise, or delete it from what is to be imported.',
      });
    else if (!isTcp)
      refuse('NM6003', origin, `option ${show(text)} of other protocols than tcp has no counterpart`, {
        expected: "'protocol: tcp'",
        fix:
          text === 'established'
            ? 'make a term for each protocol; of others than tcp, answers are not known: name their ports.'
            : "say 'protocol: tcp'.",
      });
    else tests.push(flags);
  }
  const all = combined(tests, term);
  return { highPorts, ...(all && { flags: all }), ...(fragment && { fragment }) };
}

function combined(
  tests: readonly (readonly FlagTest[])[],
  { name }: RawTerm,
): readonly FlagTest[] | undefined {
  const [first, ...more] = tests;
  if (first === undefined || more.length === 0) return first;
  if (tests.some((one) => one.length > 1))
    return refuse('NM6003', name.origin, `${show(name.text)} asks flags besides 'established'`, {
      fix: 'delete one of the options.',
    });
  return [
    tests.reduce((sum, [one]) => ({ mask: sum.mask | one!.mask, value: sum.value | one!.value }), {
      mask: 0,
      value: 0,
    }),
  ];
}

/** One for each way in which the ports can be met; undefined: any. */
export function servicesOf(
  term: RawTerm,
  meaning: Meaning,
  high: boolean,
  { objects }: TermContext,
): readonly (DraftService | undefined)[] {
  const { protocols, sports, dports, ports, icmpTypes, icmpCodes } = meaning;
  const asksPorts = sports ?? dports ?? ports;
  if (icmpTypes) return [icmpOf(term, meaning)];
  if (icmpCodes) refuse('NM6001', icmpCodes.key.origin, "'icmp-code' needs an 'icmp-type'");
  const one = (alternatives: readonly ServiceMatch[]): DraftService => ({ kind: 'service', alternatives });
  if (protocols === undefined) {
    if (asksPorts) refuse('NM6001', asksPorts.key.origin, "ports need 'protocol: tcp', 'udp', or both");
    return [undefined];
  }
  const other = protocols.find((number) => !Object.hasOwn(ported, number));
  if (!asksPorts && !high) return [withoutPorts(protocols, one)];
  if (other !== undefined)
    refuse('NM6003', asksPorts!.key.origin, `ports of protocol ${other} have no counterpart`, {
      expected: 'tcp, udp, or both',
      fix: 'make a term for each protocol.',
    });
  if (ports && (sports || dports))
    refuse('NM6003', ports.key.origin, "'port' beside other ports has no counterpart", {
      fix: 'make two terms.',
    });
  const read = (field: RawField | undefined) => field && objects.ports(field, protocols);
  const alternatives = (from: readonly PortRange[] | undefined, to: readonly PortRange[]) =>
    protocols.map(
      (number): ServiceMatch => ({ l4: ported[number]!, dports: to, ...(from && { sports: from }) }),
    );
  if (ports) return [one(alternatives(undefined, read(ports)!)), one(alternatives(read(ports), every))];
  const made = alternatives(read(sports), read(dports) ?? (high ? highPorts : every));
  const named = dports && !sports ? objects.named(dports, made) : undefined;
  return [named ?? one(made)];
}

/** TCP and UDP by name, others by number. */
function withoutPorts(
  protocols: readonly number[],
  one: (alternatives: readonly ServiceMatch[]) => DraftService,
): DraftService {
  const others = protocols.filter((number) => !Object.hasOwn(ported, number));
  return one([
    ...protocols
      .filter((number) => Object.hasOwn(ported, number))
      .map((number) => ({ l4: ported[number]!, dports: every })),
    ...(others.length > 0 ? [{ l4: 'ip' as const, protocols: others }] : []),
  ]);
}

function icmpOf(
  { name }: RawTerm,
  { protocols = [], icmpTypes, icmpCodes, sports, dports, ports }: Meaning,
): DraftService {
  const [protocol, other] = protocols;
  if (other !== undefined || (protocol !== 1 && protocol !== 58) || sports || dports || ports)
    return refuse(
      'NM6001',
      name.origin,
      `${show(name.text)} has 'icmp-type', which needs 'protocol: icmp' or 'icmpv6' alone`,
      {
        fix: 'make a term for each protocol.',
      },
    );
  const family = protocol === 1 ? 4 : 6;
  const codes = icmpCodes?.words.map((one) => portRangeOf(one, 255, 'a code').from) ?? [undefined];
  if (icmpCodes && icmpTypes!.words.length !== 1)
    refuse('NM6001', icmpCodes.key.origin, "'icmp-code' needs one 'icmp-type'");
  const types = icmpTypes!.words
    .map((one) => icmpTypeOf(one, family))
    .flatMap((type) =>
      codes.map((code) => ({ family: family as Family, type, ...(code !== undefined && { code }) })),
    );
  return { kind: 'service', alternatives: [{ l4: 'icmp', types }] };
}
