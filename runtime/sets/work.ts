/**
 * What takes long with a large set, or with a large policy: done in a thread of its own (thread.ts), so that the daemon goes on
 * answering. Arguments and results can be cloned. Lists that are on their way here, and the last policy, stay between calls.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Contents,
  contentsOf,
  mostPrefixes,
  noContents,
  type SetContents,
} from '../../codegen/sets/contents.js';
import { contentsOfImage, imageHead, initialSetFile, setImage } from '../../codegen/sets/image.js';
import {
  type AddressRanges,
  countPrefixes,
  difference,
  holdsAddress,
  sameRanges,
  union,
} from '../../codegen/sets/ranges.js';
import { SetReader } from '../../codegen/sets/read.js';
import type { Address, Family } from '../../dsl/model.js';
import { type ErrorData, errorData, MillError } from '../errors.js';
import { type BundleGuard, bundleGuard } from './guard.js';
import { wrongLines } from './wrong-lines.js';

/** What the engine maps, by the names of sets; those that are not there have never been given to it. */
export type Images = ReadonlyMap<string, Uint8Array>;

export type SetAction = 'add' | 'delete' | 'replace';

export interface ChangeRequest {
  readonly name: string;
  readonly families: readonly Family[];
  readonly action: SetAction;
  /** Number of the list. */
  readonly upload: number;
  /** Of the running policy. */
  readonly bundle: string;
  /** All sets of its policy. */
  readonly names: readonly string[];
  /** Of this set, and of all others when `guards` says that they matter. */
  readonly images: Images;
  /** Where what it is to hold is written. */
  readonly path: string;
  /** Also when it cuts off who must reach the router. */
  readonly force: boolean;
}

export interface Changed {
  /** False: it held that already, and nothing was written. */
  readonly changed: boolean;
  /** Prefixes before. */
  readonly before: number;
  /** Who is cut off, as was asked for. */
  readonly cutsOff?: string;
}

export interface SetSummary {
  /** The fewest that say what it holds. */
  readonly prefixes: Readonly<Record<Family, number>>;
  /** Milliseconds since the epoch; 0: as it was built. */
  readonly changed: number;
  /** Of memory. */
  readonly bytes: number;
}

export interface SetWork {
  /** A piece of a list, of whole lines. */
  upload(upload: number, text: string): void;
  forget(upload: number): void;
  /** Must anybody reach a router with this policy? */
  guards(bundle: string): boolean;
  /** @throws MillError `policy` with what a build would say */
  judge(bundle: string, names: readonly string[], images: Images): void;
  /** @throws MillError `usage` when the list is wrong, `policy` when it cuts off who must reach the router */
  change(request: ChangeRequest): Changed;
  summary(image: Uint8Array): SetSummary;
  contents(image: Uint8Array): SetContents;
  /** Those of the addresses that it holds. */
  among(image: Uint8Array, addresses: readonly Address[]): SetContents;
}

const families = [4, 6] as const;

export function setWork(): SetWork {
  const lists = new Map<number, SetReader>();
  let guard: { readonly bundle: string; readonly made: BundleGuard } | undefined;
  const guardOf = (bundle: string): BundleGuard => {
    if (guard?.bundle !== bundle) guard = { bundle, made: bundleGuard(bundle) };
    return guard.made;
  };
  const judge = (bundle: string, names: readonly string[], images: Images, changed?: Contents): void => {
    const { asks, check } = guardOf(bundle);
    if (!asks) return;
    check(new Map(names.map((name) => [name, changed?.get(name) ?? heldOf(bundle, name, images)])));
  };

  return {
    judge,
    upload: (upload, text) => {
      const reader = lists.get(upload) ?? new SetReader(families);
      lists.set(upload, reader);
      reader.read(Buffer.from(text));
    },
    forget: (upload) => void lists.delete(upload),
    guards: (bundle) => guardOf(bundle).asks,
    change: ({ name, names, action, upload, bundle, images, path, force, families: allowed }) => {
      const before = heldOf(bundle, name, images);
      const contents = changed(before, taken(lists.get(upload), name, allowed), action);
      const counted = { before: prefixesIn(before) };
      if (families.every((family) => sameRanges(before[family], contents[family])))
        return { ...counted, changed: false };
      if (contents[4].count + contents[6].count > mostPrefixes)
        throw new MillError('usage', `set '${name}' would hold more than ${mostPrefixes} networks`);
      const cutsOff = refusal(() => judge(bundle, names, images, new Map([[name, contents]])));
      if (cutsOff && !force)
        throw new MillError(
          cutsOff.code,
          cutsOff.message,
          'leave that out, or say --force: nothing has changed',
          cutsOff.details,
        );
      writeFileSync(path, setImage(name, contents, Date.now()));
      return { ...counted, changed: true, ...(cutsOff && { cutsOff: cutsOff.message }) };
    },
    summary: (image) => {
      const { changed, bytes } = imageHead(bufferOf(image));
      const contents = contentsOfImage(bufferOf(image));
      return { prefixes: { 4: countPrefixes(contents[4]), 6: countPrefixes(contents[6]) }, changed, bytes };
    },
    contents: (image) => contentsOfImage(bufferOf(image)),
    among: (image, addresses) => {
      const held = contentsOfImage(bufferOf(image));
      return contentsOf(
        addresses
          .filter((one) => holdsAddress(held[one.family], one))
          .map((one) => ({ ...one, length: one.family === 4 ? 32 : 128 })),
      );
    },
  };
}

/** Cloned buffers are plain arrays. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** What the engine has, or what the set holds at first. */
function heldOf(bundle: string, name: string, images: Images): SetContents {
  const image = images.get(name);
  if (image !== undefined) return contentsOfImage(bufferOf(image));
  const initial = readImage(join(bundle, initialSetFile(name)));
  return initial === undefined ? noContents : contentsOfImage(initial);
}

/** Undefined: there is none of this version. */
export function readImage(path: string): Buffer | undefined {
  try {
    const image = readFileSync(path);
    imageHead(image);
    return image;
  } catch {
    return undefined;
  }
}

function taken(reader: SetReader | undefined, name: string, allowed: readonly Family[]): SetContents {
  if (reader === undefined) throw new MillError('usage', 'the list is not here any more', 'send it again');
  if (reader.mistakes.length > 0) throw wrongLines('the list', reader.mistakes);
  const given = reader.contents();
  const alien = families.find((family) => given[family].count > 0 && !allowed.includes(family));
  if (alien !== undefined)
    throw new MillError(
      'usage',
      `set '${name}' holds IPv${alien === 4 ? 6 : 4} alone, and IPv${alien} was given`,
    );
  return given;
}

function changed(before: SetContents, given: SetContents, action: SetAction): SetContents {
  if (action === 'replace') return given;
  const apply: (a: AddressRanges, b: AddressRanges) => AddressRanges = action === 'add' ? union : difference;
  return { 4: apply(before[4], given[4]), 6: apply(before[6], given[6]) };
}

function prefixesIn(contents: SetContents): number {
  return countPrefixes(contents[4]) + countPrefixes(contents[6]);
}

function refusal(judge: () => void): ErrorData | undefined {
  try {
    judge();
    return undefined;
  } catch (error) {
    if (error instanceof MillError) return errorData(error);
    throw error;
  }
}
