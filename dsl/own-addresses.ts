/** The addresses of an interface, as written: what cannot be a router's own is a mistake. */
import {
  addressBits,
  contains,
  formatPrefix,
  network,
  parseInterfaceAddress,
  whyNotAddress,
} from './address.js';
import type { InterfaceAddress, Origin, Prefix } from './model.js';
import { inside } from './origin.js';
import { note, show } from './problems.js';

export function readAddresses(spec: unknown, origin: Origin): readonly InterfaceAddress[] {
  if (spec === undefined) return [];
  if (!Array.isArray(spec)) {
    note('NM4008', origin, `${show(spec)} are not addresses`, {
      expected: "an array: ['192.0.2.1/24']",
      got: show(spec),
    });
    return [];
  }
  return Object.freeze(spec.flatMap((text, i) => readAddress(text, inside(origin, i)) ?? []));
}

function readAddress(text: unknown, origin: Origin): InterfaceAddress | undefined {
  const address = typeof text === 'string' && text.includes('/') ? parseInterfaceAddress(text) : undefined;
  const why =
    address === undefined
      ? (whyNotAddress(text) ?? `${show(text)} is not the address of an interface`)
      : whyNotOwn(address, show(text));
  if (why === undefined) return address;
  note('NM4008', origin, why, {
    expected: "an address with its length, such as '192.0.2.1/24'",
    got: show(text),
  });
  return undefined;
}

const prefixes = (...texts: readonly string[]): readonly Prefix[] =>
  texts.map((text) => parseInterfaceAddress(text)!);
/** RFC 1122 §3.2.1.3, RFC 4291 §2.4 */
const nobodys: readonly (readonly [what: string, prefixes: readonly Prefix[]])[] = [
  ['no address at all', prefixes('0.0.0.0/32', '::/128')],
  ['of a loopback', prefixes('127.0.0.0/8', '::1/128')],
  ['of a group', prefixes('224.0.0.0/4', 'ff00::/8')],
  ['for all on a link', prefixes('255.255.255.255/32')],
];

/** Undefined: a router may have it. */
function whyNotOwn(address: InterfaceAddress, text: string): string | undefined {
  const { family, bits } = address;
  const known = nobodys.find(([, of]) => of.some((prefix) => contains(prefix, { family, bits })));
  if (known !== undefined) return `${text} is ${known[0]}`;
  const all = network(address);
  // RFC 3021: both addresses of a /31 are hosts; IPv6 subnet-router anycast (RFC 4291 §2.6.1) is none either.
  const hosts = addressBits(family) - address.length;
  if (hosts < 2) return undefined;
  if (all.bits === bits) return `${text} is the network ${formatPrefix(all)}, not an address in it`;
  const last = all.bits + (1n << BigInt(hosts)) - 1n;
  return family === 4 && bits === last
    ? `${text} is the broadcast address of ${formatPrefix(all)}`
    : undefined;
}
