/** What `netmill gen` is asked for: from what people write to what the program netmill-gen takes. */
import { addressBits, formatAddress, network, parseInterfaceAddress } from '../../dsl/address.js';
import type { Family } from '../../dsl/model.js';
import { MillError } from '../errors.js';

/** As written. */
export interface GenOptions {
  readonly send?: string | undefined;
  readonly receive?: string | undefined;
  readonly toMac?: string | undefined;
  readonly fromMac?: string | undefined;
  readonly to?: string | undefined;
  readonly from?: string | undefined;
  readonly toPort: string;
  readonly fromPort: string;
  readonly flows: string;
  readonly size?: string | undefined;
  readonly vlan?: string | undefined;
  readonly ttl: string;
  readonly rate: string;
  readonly count?: string | undefined;
  readonly seconds?: string | undefined;
  readonly burst: string;
  readonly id: string;
  readonly rundir: string;
}

/** What benchmarks use and nobody else: RFC 2544 (198.18.0.0/15), RFC 5180 (2001:2::/48). */
const defaultAddresses: Readonly<Record<Family, { readonly from: string; readonly to: string }>> = {
  4: { from: '198.18.0.1', to: '198.19.0.1' },
  6: { from: '2001:2::1', to: '2001:2:0:1::1' },
};

/** Ethernet, IP and UDP headers, and the 18 bytes that tell packets apart. */
const overhead: Readonly<Record<Family, number>> = { 4: 60, 6: 80 };
/** Ethernet, two tags, and the largest packet that a buffer takes; the port that it goes by may take less. */
const largestFrame = 16_022;
const largestSpan = 2 ** 32 - 1;

/** 7 small, 4 middling, 1 large: the simple Internet mix, spread evenly. */
const imix = [60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 60, 590];

interface Span {
  readonly first: string;
  readonly count: number;
}

/**
 * Arguments of netmill-gen.
 *
 * @throws MillError `usage`
 */
export function genArguments(options: GenOptions): string[] {
  const { send, receive } = options;
  if (send === undefined && receive === undefined)
    throw new MillError('usage', 'neither --send PORT nor --receive PORT', 'give one of them, or both');
  if (send === receive)
    throw new MillError(
      'usage',
      `--send and --receive are one port, ${send}`,
      'give two, between which packets travel',
    );
  if (send !== undefined && /^pcap:[^,]*$/.test(send))
    throw new MillError(
      'usage',
      `--send ${send}: it names no file to write`,
      `--send pcap:,${send.slice('pcap:'.length) || 'FILE'}`,
    );
  const common = [
    ...option('receive', receive),
    ...option('rundir', options.rundir),
    ...option('id', whole('--id', options.id, 0, 2 ** 32 - 1)),
    ...option('count', options.count && scaledNumber('--count', options.count, 1, Number.MAX_SAFE_INTEGER)),
    ...option('ms', options.seconds && milliseconds(options.seconds)),
  ];
  return send === undefined ? common : [...common, '--send', send, ...sending(options)];
}

function sending(options: GenOptions): string[] {
  if (options.toMac === undefined)
    throw new MillError('usage', '--send without --to-mac MAC', 'say whose port the packets go to');
  const families = [options.to, options.from].flatMap((text) => (text ? [familyOf(text)] : []));
  const family = families[0] ?? 4;
  if (families.some((other) => other !== family))
    throw new MillError('usage', `--from ${options.from} and --to ${options.to} are of two families`);
  const spans = {
    to: addressSpan('--to', options.to ?? defaultAddresses[family].to),
    from: addressSpan('--from', options.from ?? defaultAddresses[family].from),
    'to-port': portSpan('--to-port', options.toPort),
    'from-port': portSpan('--from-port', options.fromPort),
  };
  const flows = Number(scaledNumber('--flows', options.flows, 1, 65_536));
  const different = Object.values(spans).reduce((product, { count }) => product * count, 1);
  if (different < flows)
    throw new MillError(
      'usage',
      `--flows ${flows}: these addresses and ports make ${different} different flows`,
      'widen --to, --from, --to-port or --from-port',
    );
  return [
    ...option('family', String(family)),
    ...option('to-mac', macAddress('--to-mac', options.toMac)),
    ...option('from-mac', options.fromMac && macAddress('--from-mac', options.fromMac)),
    ...Object.entries(spans).flatMap(([name, { first, count }]) => option(name, `${first}/${count}`)),
    ...option('flows', String(flows)),
    ...option('vlan', options.vlan && whole('--vlan', options.vlan, 1, 4094)),
    ...option('sizes', sizes(options.size, overhead[family] + (options.vlan === undefined ? 0 : 4))),
    ...option('ttl', whole('--ttl', options.ttl, 1, 255)),
    ...option('rate', options.rate === 'max' ? '0' : scaledNumber('--rate', options.rate, 1, 1e9)),
    ...option('burst', whole('--burst', options.burst, 1, 256)),
  ];
}

function option(name: string, value: string | undefined): string[] {
  return value ? [`--${name}`, value] : [];
}

function wrong(name: string, expected: string, got: string): MillError {
  return new MillError('usage', `${name}: expected ${expected}, got '${got}'`);
}

function whole(name: string, text: string, least: number, most: number): string {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) throw wrong(name, `${least} to ${most}`, text);
  return String(value);
}

/** 10k, 2.5M, 1G */
function scaledNumber(name: string, text: string, least: number, most: number): string {
  const [, digits, unit] = /^(\d{1,16}(?:\.\d{1,9})?)([kMG]?)$/.exec(text) ?? [];
  const value =
    digits === undefined ? Number.NaN : Number(digits) * { '': 1, k: 1e3, M: 1e6, G: 1e9 }[unit!]!;
  if (!(Number.isInteger(value) && value >= least && value <= most))
    throw wrong(name, `a number of ${least} to ${most}, as 10k or 2.5M`, text);
  return String(value);
}

function milliseconds(text: string): string {
  const value = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0)) throw wrong('--seconds', 'seconds, as 10 or 0.5', text);
  return String(Math.round(value * 1000));
}

function macAddress(name: string, text: string): string {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text))
    throw wrong(name, 'six bytes, as 02:00:00:00:00:01', text);
  return text;
}

function familyOf(text: string): Family {
  return text.includes(':') ? 6 : 4;
}

/** ADDRESS, FIRST-LAST or PREFIX. */
function addressSpan(name: string, text: string): Span {
  const [low = '', high, more] = text.split('-');
  const first = parseInterfaceAddress(low);
  const last = high === undefined ? first : parseInterfaceAddress(high);
  const expected = 'an address, FIRST-LAST or a prefix';
  if (!first || !last || more !== undefined || first.family !== last.family)
    throw wrong(name, expected, text);
  const host = addressBits(first.family) - first.length;
  if (high !== undefined && (host > 0 || low.includes('/') || high.includes('/')))
    throw wrong(name, expected, text);
  const start = host > 0 ? network(first).bits : first.bits;
  const count = high === undefined ? 2n ** BigInt(host) : last.bits - first.bits + 1n;
  if (count < 1n) throw wrong(name, 'the lower address first', text);
  const wide = count > BigInt(largestSpan) ? largestSpan : Number(count);
  return { first: formatAddress({ family: first.family, bits: start }), count: wide };
}

/** PORT or FIRST-LAST. */
function portSpan(name: string, text: string): Span {
  const [low = '', high = low, more] = text.split('-');
  const [first, last] = [low, high].map((port) => Number(whole(name, port, 0, 65_535)));
  if (more !== undefined || first! > last!) throw wrong(name, 'a port or FIRST-LAST', text);
  return { first: String(first), count: last! - first! + 1 };
}

function sizes(text: string | undefined, least: number): string {
  if (text === 'imix') return imix.map((size) => Math.max(size, least)).join(',');
  if (text === undefined) return String(least);
  const list = text.split(',').map((size) => whole('--size', size, 1, largestFrame));
  const small = list.find((size) => Number(size) < least);
  if (small !== undefined)
    throw new MillError('usage', `--size ${small}: these packets need ${least} bytes`, `--size ${least}`);
  if (list.length > 16) throw wrong('--size', 'at most 16 sizes', text);
  return list.join(',');
}
