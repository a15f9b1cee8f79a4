/** What sets that change at run time hold, as the command line says: `--set blocked=FILE`, `--set blocked=9.9.9.0/24`. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Ir } from '../../codegen/ir.js';
import type { SetContents } from '../../codegen/sets/contents.js';
import { SetReader } from '../../codegen/sets/read.js';
import type { Family } from '../../dsl/model.js';
import { MillError } from '../errors.js';
import { wrongLines } from '../sets/wrong-lines.js';

/** @throws MillError when it is not understood, or the policy has no such set */
export function withContents(ir: Ir, given: readonly string[]): Ir {
  const contents = new Map(ir.contents);
  for (const text of given) {
    const [name, value] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
    const set = ir.sets.find((one) => one.name === name);
    if (set === undefined) {
      const names = ir.sets.map((one) => one.name).join(', ') || 'none';
      throw new MillError('usage', `expected NAME=… of a set of the policy (${names}), got '${text}'`);
    }
    contents.set(name, contentsFrom(value, set.families));
  }
  return { ...ir, contents };
}

function contentsFrom(value: string, families: readonly Family[]): SetContents {
  const isFile = existsSync(resolve(value)) && !/^[\da-fA-F.:]+(\/\d+)?$/.test(value);
  const name = isFile ? value : '--set';
  const bytes = isFile ? readFileSync(resolve(value)) : Buffer.from(value.replaceAll(',', '\n'));
  const reader = new SetReader(families);
  reader.read(bytes);
  if (reader.mistakes.length > 0) throw wrongLines(name, reader.mistakes);
  return reader.contents();
}
