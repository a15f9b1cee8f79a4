/**
 * From a draft to the text of a policy that builds: it is loaded and checked like any other, and rules that never match
 * there either keep their place, with a waiver that says so.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WaivableCode } from '../../dsl/model.js';
import type { FrontResult } from '../checked.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { type FrontOptions, loadAndCheck } from '../front.js';
import { makeScratch, removeScratch } from '../scratch.js';
import type { Draft, DraftRule, Waivers } from './draft.js';
import { writePolicy } from './write.js';
import { setFiles } from './write-rules.js';

export interface Finished {
  readonly text: string;
  /** What the policy reads beside it: contents of its sets. */
  readonly files: readonly TextFile[];
  /** What checking it said: of a text that is no policy, why. */
  readonly result: FrontResult;
}

export interface TextFile {
  readonly name: string;
  readonly text: string;
}

const idle: readonly WaivableCode[] = ['NM3001', 'NM3018'];

/** @param file name of the policy in messages */
export async function finishImport(
  draft: Draft,
  file: string,
  options: FrontOptions = {},
): Promise<Finished> {
  const { text, lines } = writePolicy(draft);
  const files = setFiles(draft.objects);
  const check = (text: string) => checked([{ name: file, text }, ...files], options);
  const result = await check(text);
  const waivers = waiversFor(diagnosticsOf(result), lines);
  if (waivers.size === 0) return { text, files, result };
  const waived = writePolicy(draft, waivers);
  return { text: waived.text, files, result: await check(waived.text) };
}

/** @param files the policy, and what it reads */
async function checked(files: readonly TextFile[], options: FrontOptions): Promise<FrontResult> {
  const directory = makeScratch('import');
  try {
    for (const { name, text } of files) writeFileSync(join(directory, name), text);
    return await loadAndCheck(join(directory, files[0]!.name), options);
  } finally {
    removeScratch(directory);
  }
}

function diagnosticsOf(result: FrontResult): readonly Diagnostic[] {
  return result.ok ? result.policy.warnings : result.diagnostics;
}

function waiversFor(diagnostics: readonly Diagnostic[], lines: ReadonlyMap<DraftRule, number>): Waivers {
  const byLine = new Map([...lines].map(([rule, line]) => [line, rule]));
  return new Map(
    diagnostics.flatMap(({ code, origin }) => {
      const known = idle.find((one) => one === code);
      const rule = byLine.get(origin.line);
      if (known === undefined || rule === undefined) return [];
      const reason = `nor does ${rule.called ?? `${rule.origin.file}:${rule.origin.line}`}`;
      return [[rule, { code: known, reason }] as const];
    }),
  );
}
