/**
 * Module hooks of Node: a .ts file becomes JavaScript, types are not checked (`netmill check` and the editor do), and an import of
 * './lists.js' finds lists.ts. What was made is kept in $NETMILL_TS_CACHE, if that is set: mutation testing starts many processes.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { LoadHook, ResolveHook } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Environment variable: a directory. */
export const cacheVariable = 'NETMILL_TS_CACHE';

export const resolve: ResolveHook = (specifier, context, next) => {
  if (/^\.{1,2}\//.test(specifier) && context.parentURL?.startsWith('file:')) {
    const url = new URL(specifier, context.parentURL);
    const source = new URL(url.href.replace(/\.([cm]?)js$/, '.$1ts'));
    if (!existsSync(url) && existsSync(source)) return next(source.href, context);
  }
  return next(specifier, context);
};

export const load: LoadHook = async (url, context, next) => {
  if (!/^file:.*\.m?ts$/.test(url) || url.includes('/node_modules/')) return next(url, context);
  const file = fileURLToPath(url);
  return { format: 'module', shortCircuit: true, source: await compiled(file, readFileSync(file, 'utf8')) };
};

async function compiled(file: string, text: string): Promise<string> {
  const cache = process.env[cacheVariable];
  const key = createHash('sha256').update(`${file}\0${text}`).digest('hex');
  const kept = cache === undefined ? undefined : join(cache, `${key}.js`);
  if (kept !== undefined && existsSync(kept)) return readFileSync(kept, 'utf8');
  // A large program: only who compiles waits for it.
  const { default: ts } = await import('typescript');
  const { outputText } = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      inlineSourceMap: true,
      verbatimModuleSyntax: true,
    },
  });
  if (kept !== undefined) {
    writeFileSync(`${kept}.${process.pid}`, outputText);
    renameSync(`${kept}.${process.pid}`, kept);
  }
  return outputText;
}
