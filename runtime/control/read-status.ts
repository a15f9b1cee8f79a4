/** `netmill status`. */

import type { ControlContext } from './context.js';
import { dropReasons } from './drops.js';
import { modeOf } from './port-mode.js';
import type { StatusReply } from './types.js';

export function readStatus(context: ControlContext): StatusReply {
  const link = context.link();
  const { state } = link;
  const active = context.deployer.active;
  return {
    version: context.version,
    router: active?.bundle.plan.router ?? '',
    daemon: { pid: process.pid, since: context.startedAt.toISOString() },
    engine: {
      pid: link.pid,
      upSeconds: Number((process.hrtime.bigint() - state.startedNs) / 1_000_000_000n),
      adopted: state.adopted,
    },
    generation: {
      running: link.running,
      retained: link.retained.filter((g) => g > 0),
      policyHash: active?.bundle.plan.policyHash ?? '',
      lookup: active?.bundle.plan.lookup,
      lookupReason: active?.bundle.plan.lookupReason,
      source: active?.record.source ?? '',
      deployedAt: active?.record.committedAt,
    },
    acl: { enabled: state.aclEnabled, eventsLost: Number(state.eventsLost) },
    events: link.runningConfiguration().eventMode,
    workers: state.workers.map((worker, number) => ({
      number,
      tid: worker.tid,
      core: worker.core,
      generation: worker.generation,
      bursts: Number(worker.bursts),
    })),
    ports: readPorts(context),
    fib: context.fib.status(),
    drops: readDrops(context),
  };
}

function readPorts(context: ControlContext): StatusReply['ports'] {
  const link = context.link();
  const links = context.rib.links();
  return link.runningConfiguration().ports.map((port) => {
    const state = link.state.port(port.slot);
    return {
      name: port.name,
      spec: port.spec,
      device: links.find((one) => one.ifindex === state.ifindex)?.name ?? '',
      open: state.open,
      up: state.up,
      mac: state.mac,
      fallback: port.fallback,
      mode: modeOf(port, state),
      rx: { packets: Number(state.rxPackets), bytes: Number(state.rxBytes) },
      tx: { packets: Number(state.txPackets), bytes: Number(state.txBytes) },
      rxRate: context.rates.of(`port ${port.name} rx`),
      txRate: context.rates.of(`port ${port.name} tx`),
      rxDropped: Number(state.rxDropped),
      rxTooLong: Number(state.rxTooLong),
      txFull: Number(state.txFull),
    };
  });
}

function readDrops(context: ControlContext): StatusReply['drops'] {
  const { state } = context.link();
  const totals = dropReasons.map(() => 0n);
  for (const iface of context.deployer.active?.bundle.plan.interfaces ?? []) {
    const { drops } = state.interfaceCounters(state.interfaceSlot(iface.name));
    drops.forEach((count, reason) => {
      if (reason < totals.length) totals[reason]! += count;
    });
  }
  return dropReasons
    .map(({ name, text }, reason) => ({ reason: name, text, packets: Number(totals[reason]) }))
    .filter((drop) => drop.packets > 0);
}
