/**
 * Deploys, one after another: build → store → bind → prepare → commit → record. Whatever fails before the commit
 * leaves the running generation as it is and says why. Which generation runs is the engine's word alone.
 */
import { formatAddress } from '../../dsl/address.js';
import { parseGateways } from '../../dsl/gateways.js';
import { MillError, messageOf } from '../errors.js';
import type { Interfaces, Wish } from '../interfaces.js';
import type { Logger } from '../log.js';
import type { EngineLink, Native, Rib } from '../native.js';
import type { Sets } from '../sets/sets.js';
import type { BuildPolicy } from './build.js';
import type { Bundle } from './bundle.js';
import { allotGateways, engineConfiguration, type GatewaySlots } from './configuration.js';
import { type Face, ownLinkName, resolveFaces } from './faces.js';
import { hasNetmap } from './has-netmap.js';
import { checkAbi, checkExpected, checkWanted, type Expected, notRetained, refused } from './refusals.js';
import { followRenames } from './renames.js';
import { withBundle } from './source.js';
import type { GenerationRecord, GenerationStore, StoredGeneration } from './store.js';
import { checkCores, checkRings, onlineCores } from './workers.js';

export interface DeployerOptions {
  readonly native: Pick<Native, 'abi' | 'layout'>;
  readonly rib: Pick<Rib, 'links' | 'setAudit' | 'setGateways' | 'setTables' | 'settled'>;
  readonly store: GenerationStore;
  readonly interfaces: Interfaces;
  readonly sets: Sets;
  readonly build: BuildPolicy;
  readonly link: () => EngineLink;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface DeployResult {
  readonly generation: number;
  readonly previous: number;
  readonly policyHash: string;
  readonly milliseconds: { readonly build: number; readonly prepare: number; readonly commit: number };
}

export interface Active extends StoredGeneration {
  readonly faces: ReadonlyMap<string, Face>;
}

/** A bundle that was made from the source already. */
export interface Built {
  readonly dir: string;
  /** The number that it was made with; undefined: it gets the next one. */
  readonly number: number | undefined;
}

export interface Deployer {
  readonly active: Active | undefined;
  /** A policy file is built, a directory is taken as a bundle; `built` is what `source` gave before. */
  deploy(
    source: string,
    onStep: (text: string) => void,
    built?: Built,
    expect?: Expected,
    /** Aborted before the forwarder is there: nothing changes. */
    gone?: AbortSignal,
  ): Promise<DeployResult>;
  /** A generation that the engine still has; absent: the newest of them. */
  rollback(generation: number | undefined, note: string): Promise<DeployResult>;
  /** The engine runs `generation` already. False when its manifest is not known here. */
  resume(generation: number): Promise<boolean>;
  /** Links changed, or another engine serves, perhaps another generation: interfaces and gateways are applied again. */
  refresh(): Promise<void>;
  /** Does something while nothing is deployed. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

/** How long a deploy waits for the FIB to know new gateways; they resolve later, too. */
const SETTLE_MS = 2_000;

export function createDeployer(options: DeployerOptions): Deployer {
  const { store, rib, interfaces, log } = options;
  const follow = followRenames();
  let active: Active | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  };

  const retained = (): StoredGeneration[] => {
    const link = options.link();
    return [link.running, ...link.retained].flatMap((g) => (g > 0 ? (store.find(g) ?? []) : []));
  };

  const setGateways = (slots: readonly GatewaySlots[]): void => {
    const all = new Map(slots.flatMap((s) => Object.entries(s).map(([way, slot]) => [slot, way] as const)));
    rib.setGateways([...all].map(([slot, way]) => ({ slot, choices: choicesOf(way) })));
  };

  const wishOf = (generation: Active): Wish => ({ plan: generation.bundle.plan, faces: generation.faces });

  /** What runs is `next` now: interfaces, routes and gateways follow. */
  const activate = async (next: Active): Promise<void> => {
    const faces = follow(next.faces, next.bundle.plan, rib.links(), options.link());
    active = { ...next, faces };
    rib.setTables(next.bundle.plan.daemon.tables);
    rib.setAudit(next.bundle.plan.daemon.audit);
    setGateways(retained().map((g) => g.record.gateways));
    await interfaces.reconcile([wishOf(active)], options.link());
  };

  const prepareStored = async (stored: StoredGeneration): Promise<Active> => {
    const link = options.link();
    const { plan } = stored.bundle;
    const faces = resolveFaces(plan, rib.links());
    const keep = retained();
    const config = engineConfiguration({
      plan,
      faces,
      generation: stored.record.generation,
      gateways: stored.record.gateways,
      keepRules: keep.flatMap((g) => g.bundle.plan.rules.map((rule) => rule.id)),
      hasNetmap: hasNetmap(),
      state: link.state,
    });
    setGateways([...keep.map((g) => g.record.gateways), stored.record.gateways]);
    await Promise.race([rib.settled(), delay(SETTLE_MS, options.signal)]);
    await options.sets.provide(stored.bundle, link);
    await link.prepare(config, stored.bundle.forwarder);
    return { ...stored, faces };
  };

  const commit = async (next: Active, expected: number): Promise<void> => {
    const link = options.link();
    const { generation } = next.record;
    try {
      await interfaces.reconcile(active ? [wishOf(active), wishOf(next)] : [wishOf(next)], link);
      await link.commit(generation, expected);
    } catch (error) {
      if (active) await activate(active);
      throw error;
    }
  };

  /** Those that no generation names which may run. */
  const forgetSets = (): Promise<void> =>
    options.sets.keep(
      retained().flatMap((g) => g.bundle.plan.sets.map((set) => set.name)),
      options.link(),
    );

  /** The engine has swapped already: that it cannot be written down changes nothing about that. */
  const note = (record: GenerationRecord): void => {
    try {
      store.update(record);
    } catch (error) {
      log.error(
        { generation: record.generation, error: messageOf(error) },
        'runs, but is not noted as running',
      );
    }
  };

  const deployBundle = async (
    bundle: Bundle,
    source: string,
    number: number,
    buildMs: number,
  ): Promise<DeployResult> => {
    const previous = options.link().running;
    checkAbi(bundle, options.native);
    checkCores(bundle.plan, onlineCores());
    const gateways = allotGateways(
      bundle.plan.gateways,
      retained().map((g) => g.record.gateways),
    );
    const record = { generation: number, source, builtAt: new Date().toISOString(), gateways };
    const stored = store.add(bundle, record);
    const started = performance.now();
    let prepared: Active | undefined;
    let preparedAt = started;
    try {
      await options.sets.judge(stored.bundle, options.link());
      prepared = await prepareStored(stored);
      checkRings(bundle.plan, store.find(previous)?.bundle.plan, options.link().state);
      preparedAt = performance.now();
      await commit(prepared, previous);
    } catch (error) {
      if (prepared)
        await options
          .link()
          .discard(number)
          .catch(() => undefined);
      store.remove(number);
      throw refused(error, previous);
    }
    const milliseconds = {
      build: buildMs,
      prepare: ms(preparedAt - started),
      commit: ms(performance.now() - preparedAt),
    };
    const committed = { ...record, committedAt: new Date().toISOString() };
    note(committed);
    await activate({ ...prepared, record: committed });
    log.info({ generation: number, previous, source, ...milliseconds }, 'generation deployed');
    await forgetSets();
    store.prune(new Set([number, ...options.link().retained, previous]));
    return { generation: number, previous, policyHash: bundle.plan.policyHash, milliseconds };
  };

  /** What runs, when an engine that adopted has left `generation` behind. */
  const wentBack = (generation: number): Active | undefined => {
    const link = options.link();
    const stored = link.running === generation ? undefined : store.find(link.running);
    if (stored === undefined) return undefined;
    const why = `the engine died with generation ${generation}`;
    const record = { ...stored.record, committedAt: new Date().toISOString(), note: why };
    note(record);
    log.warn({ generation: link.running, previous: generation, note: why }, 'rolled back');
    return { ...stored, record, faces: facesOfRunning(link) };
  };

  const runningHash = () => store.find(options.link().running)?.bundle.plan.policyHash;

  const deploySource = async (
    source: string,
    onStep: (text: string) => void,
    built: Built | undefined,
    expect: Expected | undefined,
    gone: AbortSignal | undefined,
  ): Promise<DeployResult> => {
    const link = options.link();
    const signal = gone === undefined ? options.signal : AbortSignal.any([options.signal, gone]);
    checkWanted(gone);
    const number = built?.number ?? store.nextNumber([link.running, ...link.retained]);
    const started = performance.now();
    return withBundle({ ...options, signal, source, onStep, number, built: built?.dir }, (bundle) => {
      checkWanted(gone);
      if (expect) checkExpected(expect, bundle.plan.policyHash, runningHash());
      onStep('load');
      return deployBundle(bundle, source, number, ms(performance.now() - started));
    });
  };

  const rollBack = async (wanted: number | undefined, why: string): Promise<DeployResult> => {
    const link = options.link();
    const previous = link.running;
    const generation = wanted ?? link.retained[0];
    if (generation === undefined || generation === 0)
      throw new MillError('not-found', 'the engine keeps no generation to go back to');
    if (generation === previous) throw new MillError('usage', `generation ${generation} runs already`);
    const stored = store.find(generation);
    if (stored === undefined || !link.retained.includes(generation))
      throw notRetained(generation, link, stored);
    const faces = resolveFaces(stored.bundle.plan, rib.links());
    const started = performance.now();
    await commit({ ...stored, faces }, previous);
    const done = performance.now();
    note({ ...stored.record, committedAt: new Date().toISOString(), note: why });
    await activate({ ...stored, faces });
    log.warn({ generation, previous, note: why }, 'rolled back');
    const milliseconds = { build: 0, prepare: 0, commit: ms(done - started) };
    return { generation, previous, policyHash: stored.bundle.plan.policyHash, milliseconds };
  };

  return {
    get active() {
      return active;
    },
    deploy: (source, onStep, built, expect, gone) =>
      inTurn(() => deploySource(source, onStep, built, expect, gone)),
    rollback: (generation, note) => inTurn(() => rollBack(generation, note)),
    resume: (generation) =>
      inTurn(async () => {
        const stored = store.find(generation);
        if (stored === undefined) return false;
        options.sets.save(options.link());
        await activate({ ...stored, faces: facesOfRunning(options.link()) });
        return true;
      }),
    refresh: () =>
      inTurn(async () => {
        if (active) await activate(wentBack(active.record.generation) ?? active);
      }),
    inTurn,
    idle: async () => {
      await queue;
    },
  };
}

/** As the manifest has it: `192.0.2.1*3 192.0.2.2 or 192.0.2.9`. */
function choicesOf(way: string): Parameters<Rib['setGateways']>[0][number]['choices'] {
  const read = parseGateways(way);
  if (read === undefined) throw new Error(`'${way}' names no gateways`);
  const numbers = [...new Set(read.gateways.map((one) => one.choice))].sort((a, b) => a - b);
  return numbers.map((choice) =>
    read.gateways
      .filter((one) => one.choice === choice)
      .map((one) => ({ address: formatAddress(one), weight: one.weight })),
  );
}

/** As the engine was told: devices may have gone since. */
function facesOfRunning(link: EngineLink): ReadonlyMap<string, Face> {
  const { interfaces } = link.runningConfiguration();
  return new Map(
    interfaces.map(({ name, host, hostName }) => [
      name,
      { kind: host, device: host === 'none' ? ownLinkName(name) : hostName },
    ]),
  );
}

function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    timer.unref();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function ms(value: number): number {
  return Math.round(value * 10) / 10;
}
