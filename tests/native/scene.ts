/** A namespace with its routing (changes.ts), a real engine in it, and the addon that feeds the engine. */
import type { Link } from '../../runtime/native.js';
import { Lab, type Node } from '../support/netns.js';
import { topology } from './changes.js';
import { startEngine, type TestEngine } from './engine.js';
import { type Remote, startAgent } from './remote.js';

/** The engine's interfaces, by slot; v3 is the kernel's. */
export const OURS = ['v0', 'v1', 'v2'];

export interface Place {
  readonly lab: Lab;
  readonly router: Node;
  readonly peer: Node;
}

export interface Scene extends Place {
  readonly engine: TestEngine;
}

export async function inPlace(body: (place: Place) => Promise<void>): Promise<void> {
  const lab = await Lab.create();
  try {
    await body({ lab, ...(await topology(lab)) });
  } finally {
    await lab.close();
  }
}

export async function mapInterfaces(remote: Remote): Promise<void> {
  const links = await remote.call<Link[]>('rib', 'links');
  const map = OURS.map((name, slot) => ({ ifindex: links.find((l) => l.name === name)?.ifindex, slot }));
  await remote.call(
    'rib',
    'setInterfaces',
    map.filter(({ ifindex }) => ifindex !== undefined),
  );
}

/** A daemon in small: follows the kernel and feeds the engine that listens on `socket`. */
export async function follow({ lab, router }: Place, socket: string, ...args: string[]): Promise<Remote> {
  const remote = startAgent(lab, router, ...args);
  await remote.call('rib', 'start');
  await remote.call('agent', 'connect', socket);
  await mapInterfaces(remote);
  await remote.call('agent', 'attach');
  return remote;
}

/** A place with an engine that follows the kernel. */
export function followed(body: (scene: Scene, remote: Remote) => Promise<void>): Promise<void> {
  return inPlace(async (place) => {
    const engine = await startEngine(place.lab, place.router, 'engine');
    const remote = await follow(place, engine.socket);
    await body({ ...place, engine }, remote);
  });
}
