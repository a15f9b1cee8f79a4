/** Generated C in tests: made from policies, and looked at by gcc and clang-format. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compilerFlags, includeFlags, linkFlags, tablesFlag } from '../../../codegen/compiler.js';
import { packageRoot } from '../../../codegen/load/compiler.js';

/** What gcc says of it with the flags of a build; '' when it is content. */
export function gccSays(source: string, tables: Uint8Array = new Uint8Array()): string {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-gcc-'));
  try {
    const file = join(directory, 'forwarder.c');
    writeFileSync(file, source);
    writeFileSync(`${file}.tables`, tables);
    const flags = [...compilerFlags({ optimise: '1' }), ...includeFlags(), tablesFlag(`${file}.tables`)];
    const run = spawnSync('gcc', [...flags, file, ...linkFlags(), '-o', join(directory, 'forwarder.so')], {
      encoding: 'utf8',
    });
    return run.status === 0 ? '' : run.stderr || String(run.error);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The assembler's text of one function, compiled by itself with the flags of a build. */
export function assemblyOf(source: string, name: string): string {
  const alone = source.replace(`static bool ${name}(`, `static __attribute__((noipa)) bool ${name}(`);
  const flags = [...compilerFlags(), ...includeFlags(), tablesFlag('tables')];
  const run = spawnSync('gcc', [...flags, '-S', '-x', 'c', '-', '-o', '-'], {
    input: alone,
    encoding: 'utf8',
  });
  const text = run.stdout.slice(run.stdout.indexOf(`\n${name}:\n`));
  return text.slice(0, text.indexOf(`\t.size\t${name}, `));
}

/** What gcc's front end alone says, of many at once. */
export function gccSaysOfAll(sources: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-gcc-'));
  try {
    const files = sources.map((source, i) => {
      const file = join(directory, `forwarder-${i}.c`);
      writeFileSync(file, source);
      return file;
    });
    const run = spawnSync(
      'gcc',
      [...compilerFlags(), '-fsyntax-only', ...includeFlags(), tablesFlag('tables'), ...files],
      {
        encoding: 'utf8',
      },
    );
    return run.status === 0 ? '' : run.stderr || String(run.error);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Undefined when there is no clang-format here. */
export function formatted(source: string): string | undefined {
  const style = `--style=file:${join(packageRoot, '.clang-format')}`;
  const run = spawnSync('clang-format', [style, '--assume-filename=forwarder.c'], {
    input: source,
    encoding: 'utf8',
  });
  return run.status === 0 ? run.stdout : undefined;
}

/** Lines that clang-format would change, with what it would make of them. */
export function misformatted(source: string): readonly string[] {
  const better = formatted(source)?.split('\n');
  if (better === undefined) return [];
  const lines = source.split('\n');
  return lines
    .flatMap((line, i) => (line === better[i] ? [] : [`${i + 1}: ${line} | ${better[i]}`]))
    .slice(0, 5);
}
