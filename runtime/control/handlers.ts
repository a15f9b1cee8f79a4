/** One function a request of the control socket. They read; what changes anything goes through the deployer or the RIB. */
import { unreachable } from '../../codegen/unreachable.js';
import { MillError } from '../errors.js';
import type { Exchange, Handler } from './connection.js';
import type { ControlContext } from './context.js';
import { addNeighbour, deleteNeighbour } from './neighbours.js';
import type { RequestBody } from './protocol.js';
import { listAcls, readCounters } from './read-counters.js';
import { listInterfaces, listNeighbours } from './read-interfaces.js';
import { addRoute, deleteRoute, dumpRoutes, getRoute, listRoutes } from './read-routes.js';
import { readStatus } from './read-status.js';
import { topRoutes } from './read-use.js';
import { changeSet, listPrefixes, listSets, openUploads, showSet, type Uploads } from './sets.js';
import { tracePacket } from './trace.js';
import type { FibReply, GenerationReply } from './types.js';

export function createHandler(context: ControlContext): Handler {
  const uploads = openUploads(context.sets);
  return async (body, exchange) => {
    context.log.debug({ request: body.op === 'set.upload' ? body.op : body }, 'request');
    return answer(context, uploads, body, exchange);
  };
}

async function answer(
  context: ControlContext,
  uploads: Uploads,
  body: RequestBody,
  exchange: Exchange,
): Promise<unknown> {
  switch (body.op) {
    case 'status':
      return readStatus(context);
    case 'ifconfig':
      return listInterfaces(context);
    case 'arp':
      return listNeighbours(context);
    case 'arp.add':
      return addNeighbour(context, body);
    case 'arp.delete':
      return deleteNeighbour(context, body);
    case 'counter':
      return readCounters(context);
    case 'acl.list':
      return listAcls(context);
    case 'acl.set':
      await context.link().setAcl(body.enabled);
      context.log.warn({ enabled: body.enabled }, 'ACLs switched');
      return { enabled: body.enabled };
    case 'acl.reload':
      return context.deployer.deploy(
        activeSource(context),
        exchange.progress,
        undefined,
        undefined,
        exchange.signal,
      );
    case 'deploy':
      return context.deployer.deploy(
        body.path,
        exchange.progress,
        body.bundle === undefined ? undefined : { dir: body.bundle, number: undefined },
        body.expect,
        exchange.signal,
      );
    case 'rollback':
      return context.deployer.rollback(body.generation, 'an operator rolled back to it');
    case 'generations':
      return listGenerations(context);
    case 'route.list':
      return listRoutes(context, body.family, exchange);
    case 'route.top':
      return topRoutes(context, body, exchange);
    case 'route.get':
      return getRoute(context, body.address);
    case 'trace':
      return tracePacket(context, body.packet);
    case 'route.add':
      return addRoute(context, body);
    case 'route.delete':
      return deleteRoute(context, body.prefix);
    case 'route.dump':
      return dumpRoutes(context, body.file);
    case 'fib':
      return actOnFib(context, body.action);
    case 'set.list':
      return listSets(context);
    case 'set.show':
      return showSet(context, body.name);
    case 'set.prefixes':
      return listPrefixes(context, body.name, exchange);
    case 'set.upload':
      return { upload: await uploads.add(body.upload, body.text) };
    case 'set.change':
      return changeSet(context, uploads, body);
    case 'log':
      return context.recentEvents();
    case 'shutdown':
      context.shutdown();
      return { stopping: true };
    default:
      return unreachable(body);
  }
}

function activeSource(context: ControlContext): string {
  const active = context.deployer.active;
  if (active === undefined)
    throw new MillError('not-found', 'no generation runs', 'deploy one: netmill deploy POLICY');
  return active.record.source;
}

async function actOnFib(
  { fib, log }: ControlContext,
  action: 'couple' | 'decouple' | 'recouple' | 'audit' | 'status',
): Promise<FibReply> {
  if (action === 'audit') {
    const audit = await fib.audit();
    return { ...fib.status(), audit };
  }
  if (action !== 'status') {
    await fib[action]();
    log.info({ action }, 'FIB');
  }
  return fib.status();
}

function listGenerations(context: ControlContext): readonly GenerationReply[] {
  const link = context.link();
  const running = link.running;
  return context.store.records().flatMap((record) => {
    const stored = context.store.find(record.generation);
    if (stored === undefined || (record.committedAt === undefined && record.generation !== running))
      return [];
    const state =
      record.generation === running
        ? 'running'
        : link.retained.includes(record.generation)
          ? 'retained'
          : 'stored';
    return {
      generation: record.generation,
      state,
      source: record.source,
      policyHash: stored.bundle.plan.policyHash,
      directory: stored.bundle.dir,
      builtAt: record.builtAt,
      committedAt: record.committedAt,
      note: record.note,
    };
  });
}
