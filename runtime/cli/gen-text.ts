/** `netmill gen` for people: a row a second, and what it came to. */
import { count, facts, scaled } from './text.js';
import type { GenReport } from './traffic-reports.js';

const columns = ['SENT/s', 'RECEIVED/s', 'MISSING', 'REORDERED', 'TWICE', 'OTHER'] as const;
const width = 12;

function line(report: GenReport, cells: readonly string[]): string {
  const shown = cells.filter((_, i) => (i === 0 ? report.sent : report.received) !== undefined);
  return shown.map((cell) => cell.padStart(width)).join('');
}

export function genHeading(report: GenReport): string {
  return `${'TIME'.padStart(7)}${line(report, columns)}`;
}

export function genRow(report: GenReport, before: GenReport): string {
  const seconds = (report.ms - before.ms) / 1000;
  const rate = (now = 0, then = 0): string => scaled((now - then) / seconds, '');
  const more = (key: 'missing' | 'reordered' | 'duplicates' | 'other'): string =>
    count((report[key] ?? 0) - (before[key] ?? 0));
  const cells = [
    rate(report.sent, before.sent),
    rate(report.received, before.received),
    more('missing'),
    more('reordered'),
    more('duplicates'),
    more('other'),
  ];
  return `${`${Math.round(report.ms / 1000)} s`.padStart(7)}${line(report, cells)}`;
}

/** What to look at where packets stay in the rings of the port that they were given to. */
function stuckWhy(port: string): string {
  if (port.startsWith('netmap:'))
    return 'a veth hands them over only when its peer is open in netmap, too, a network card only with a carrier';
  if (port.startsWith('pipe:')) return 'does its engine still run, and its workers with it?';
  return 'has the device a carrier?';
}

export function genStuck(port: string, packets: number): string {
  return `${count(packets)} packets lie in the rings of ${port}, and nobody takes them: ${stuckWhy(port)}`;
}

export function genSummary(report: GenReport, port = ''): string {
  const seconds = report.ms / 1000;
  const { sent, received = 0, late = 0 } = report;
  const flow = (packets: number, bytes = 0): string =>
    `${count(packets)} packets in ${seconds.toFixed(1)} s: ${scaled(packets / seconds, ' packets/s')}, ${scaled((bytes * 8) / seconds, 'bit/s')}`;
  const pairs: [string, string][] = [];
  if (sent !== undefined) pairs.push(['sent', flow(sent, report.sentBytes)]);
  if (report.stuck !== undefined) pairs.push(['stuck', genStuck(port, report.stuck)]);
  if (report.received !== undefined) {
    const unique = received - (report.duplicates ?? 0) - late;
    pairs.push(
      ['received', flow(received, report.receivedBytes)],
      ['lost', sent === undefined ? `${count(report.missing ?? 0)} between others` : lostText(sent, unique)],
      ['reordered', count(report.reordered ?? 0)],
      ['twice', count(report.duplicates ?? 0)],
    );
    if (late > 0) pairs.push(['late', `${count(late)}, more than 1,000 packets of their flow behind`]);
    pairs.push(['damaged', count(report.damaged ?? 0)]);
    pairs.push(['other', count(report.other ?? 0)]);
  }
  if (report.latencyNs) pairs.push(['latency', latencyText(report.latencyNs)]);
  return facts(pairs);
}

function lostText(sent: number, unique: number): string {
  const lost = sent - unique;
  return lost > 0 ? `${count(lost)} (${((100 * lost) / sent).toPrecision(2)} %)` : '0';
}

function latencyText(latency: NonNullable<GenReport['latencyNs']>): string {
  const { least, p50, p90, p99, p999, most } = latency;
  const named: readonly (readonly [string, number])[] = [
    ['least', least],
    ['50 %', p50],
    ['90 %', p90],
    ['99 %', p99],
    ['99.9 %', p999],
    ['most', most],
  ];
  return named.map(([name, ns]) => `${name} ${microseconds(ns)}`).join(', ');
}

function microseconds(ns: number): string {
  return ns < 1_000_000 ? `${(ns / 1000).toPrecision(3)} µs` : `${(ns / 1e6).toPrecision(3)} ms`;
}
