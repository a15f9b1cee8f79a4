/**
 * Generations on disk: `<rundir>/generations/<seq>/` holds the bundle as it was deployed and `record.json`, what the
 * daemon needs to go on with it after a restart. A directory appears whole, by rename, or not at all.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MillError, messageOf } from '../errors.js';
import { writeWhole } from '../write-whole.js';
import { type Bundle, readBundle } from './bundle.js';

const recordSchema = z.object({
  generation: z.int().positive(),
  /** Absolute path of the policy, or of the bundle, that it was made from. */
  source: z.string(),
  builtAt: z.string(),
  committedAt: z.string().optional(),
  /** Why it is not the one that runs, when that was not an ordinary deploy. */
  note: z.string().optional(),
  gateways: z.record(z.string(), z.int().nonnegative()),
});

export type GenerationRecord = z.infer<typeof recordSchema>;

export interface StoredGeneration {
  readonly record: GenerationRecord;
  readonly bundle: Bundle;
}

export interface GenerationStore {
  /** Larger than every number that was ever given out here, or that `others` have. */
  nextNumber(others: readonly number[]): number;
  /** Copies a bundle in. */
  add(bundle: Bundle, record: GenerationRecord): StoredGeneration;
  update(record: GenerationRecord): void;
  find(generation: number): StoredGeneration | undefined;
  /** Oldest first. */
  records(): readonly GenerationRecord[];
  remove(generation: number): void;
  /** Removes all but `keep` and the newest few. */
  prune(keep: ReadonlySet<number>): void;
}

/** Beyond what the engine retains: for people who look back. */
const KEEP_NEWEST = 8;

export function openStore(dir: string): GenerationStore {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const counter = join(dir, 'last');
  const numbers = (): number[] =>
    readdirSync(dir)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  const readRecord = (generation: number): GenerationRecord | undefined => {
    try {
      return recordSchema.parse(
        JSON.parse(readFileSync(join(dir, String(generation), 'record.json'), 'utf8')),
      );
    } catch {
      return undefined;
    }
  };
  const find = (generation: number): StoredGeneration | undefined => {
    const record = readRecord(generation);
    if (record === undefined) return undefined;
    try {
      return { record, bundle: readBundle(join(dir, String(generation))) };
    } catch {
      return undefined;
    }
  };
  const remove = (generation: number): void =>
    rmSync(join(dir, String(generation)), { recursive: true, force: true });

  return {
    find,
    remove,
    nextNumber: (others) => {
      const last = existsSync(counter) ? Number(readFileSync(counter, 'utf8')) || 0 : 0;
      const next = Math.max(0, last, ...numbers(), ...others) + 1;
      try {
        writeWhole(counter, `${next}\n`);
      } catch (error) {
        throw notKept(dir, error);
      }
      return next;
    },
    add: (bundle, record) => {
      const draft = join(dir, `.draft-${record.generation}`);
      try {
        rmSync(draft, { recursive: true, force: true });
        mkdirSync(draft, { mode: 0o755 });
        for (const file of bundle.files) cpSync(join(bundle.dir, file), join(draft, file));
        writeFileSync(join(draft, 'record.json'), `${JSON.stringify(record, null, 2)}\n`);
        remove(record.generation);
        renameSync(draft, join(dir, String(record.generation)));
      } catch (error) {
        rmSync(draft, { recursive: true, force: true });
        throw notKept(dir, error);
      }
      return find(record.generation)!;
    },
    update: (record) =>
      writeWhole(join(dir, String(record.generation), 'record.json'), `${JSON.stringify(record, null, 2)}\n`),
    records: () => numbers().flatMap((generation) => readRecord(generation) ?? []),
    prune: (keep) => {
      const all = numbers();
      const newest = new Set(all.slice(-KEEP_NEWEST));
      for (const generation of all) if (!keep.has(generation) && !newest.has(generation)) remove(generation);
      for (const name of readdirSync(dir))
        if (name.startsWith('.draft-')) rmSync(join(dir, name), { recursive: true });
    },
  };
}

function notKept(dir: string, error: unknown): MillError {
  return new MillError(
    'system',
    `the generation cannot be kept in ${dir}: ${messageOf(error)}`,
    'make room there, or let netmilld write there: nothing has changed',
  );
}
