/** Answers about VALE switches, for people. */
import { count, plural, scaled, table } from './text.js';
import type { ValeAttached, ValeInfo, ValeList, ValeMade, ValePolled } from './vale-reports.js';

type Rings = Pick<ValeMade, 'txRings' | 'rxRings' | 'txSlots' | 'rxSlots'>;

function ringText({ txRings, rxRings, txSlots, rxSlots }: Rings): string {
  return `${plural(txRings, 'TX ring')} of ${count(txSlots)} slots, ${plural(rxRings, 'RX ring')} of ${count(rxSlots)}`;
}

export function portsText({ ports }: ValeList): string {
  if (ports.length === 0) return 'no VALE switch has such a port';
  const known = (value: number | undefined): string => (value === undefined ? '' : String(value));
  return table(
    [
      { title: 'SWITCH' },
      { title: 'INDEX', right: true },
      { title: 'PORT' },
      { title: 'TX RINGS', right: true },
      { title: 'RX RINGS', right: true },
      { title: 'SLOTS', right: true },
      { title: 'MEMORY', right: true },
    ],
    ports.map((port) => [
      port.switch,
      String(port.index),
      port.port,
      known(port.txRings),
      known(port.rxRings),
      port.txSlots === undefined ? '' : `${port.txSlots},${port.rxSlots}`,
      known(port.memory),
    ]),
  );
}

export function infoText(info: ValeInfo): string {
  const { name, hostTxRings, hostRxRings, memory, memoryBytes } = info;
  return [
    `${name}: ${ringText(info)}`,
    `host stack: ${plural(hostTxRings, 'TX ring')}, ${plural(hostRxRings, 'RX ring')}`,
    `memory ${memory}, ${scaled(memoryBytes, 'B')}`,
  ].join('\n');
}

export function madeText(made: ValeMade): string {
  return `${made.name}: ${ringText(made)}; memory ${made.memory}`;
}

export function attachedText({ name, index, host }: ValeAttached): string {
  return `${name}: port ${index}${host ? ', with its host stack' : ''}`;
}

export function polledText({ name, firstCore, cores }: ValePolled): string {
  return `${name}: polled by ${plural(cores, 'core')}, from core ${firstCore} on`;
}
