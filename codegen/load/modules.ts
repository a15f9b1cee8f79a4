/** The modules that a policy consists of at run time: emitted TypeScript, packages' JavaScript, JSON. */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { type Compilation, emit, importsOf, resolveAtRunTime, ts } from './compiler.js';
import { placeOf } from './place.js';
import type { Module } from './protocol.js';

export interface ModuleGraph {
  readonly modules: readonly Module[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Follows the imports that are left after types are gone, from `entry` on. */
export function collectModules(compilation: Compilation, entry: string): ModuleGraph {
  const modules = new Map<string, Module>();
  const diagnostics: Diagnostic[] = [];
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (modules.has(path)) continue;
    const source = readSource(compilation, path);
    const imports: Record<string, string> = {};
    for (const specifier of source.kind === 'code' ? importsOf(source.code) : []) {
      const found = resolve(specifier, path);
      if (typeof found !== 'string') diagnostics.push(refuse(found, specifier, path, compilation.program));
      else {
        imports[specifier] = found;
        if (found !== 'netmill') waiting.push(found);
      }
    }
    modules.set(path, { path, ...source, imports });
    for (const read of source.kind === 'code' ? textsOf(compilation, path) : []) modules.set(read.path, read);
  }
  return { modules: [...modules.values()], diagnostics };
}

/** Files that a call names by a literal: what a policy reads is known before it runs. What cannot be read, the call says. */
function textsOf({ program }: Compilation, path: string): readonly Module[] {
  const found: Module[] = [];
  const visit = (node: ts.Node): void => {
    const [first] = ts.isCallExpression(node) && isReader(node.expression) ? node.arguments : [];
    if (first && ts.isStringLiteralLike(first)) {
      const file = join(dirname(path), first.text);
      const text = isBeside(file, path) ? ts.sys.readFile(file) : undefined;
      if (text !== undefined) found.push({ path: file, kind: 'text', text, code: text, imports: {} });
    }
    ts.forEachChild(node, visit);
  };
  const source = program.getSourceFile(path);
  if (source) visit(source);
  return found;
}

/** In the package of the policy, or without one in its directory: nobody shows other files by calling them rules. */
export function isBeside(file: string, path: string): boolean {
  const real = ts.sys.realpath?.(file) ?? file;
  for (let home = dirname(path); ; home = dirname(home))
    if (ts.sys.fileExists(join(home, 'package.json'))) return real.startsWith(`${home}/`);
    else if (home === dirname(home)) return real.startsWith(`${dirname(path)}/`);
}

/** By its name; whether it is netmill's own does not matter: what is read and not used changes nothing but the hash. */
function isReader(callee: ts.Expression): boolean {
  const name = ts.isPropertyAccessExpression(callee) ? callee.name : callee;
  return ts.isIdentifier(name) && name.text === 'rulesFromFile';
}

function readSource(compilation: Compilation, path: string): Omit<Module, 'path' | 'imports'> {
  if (path.endsWith('.json')) {
    const text = readFileSync(path, 'utf8');
    return { kind: 'json', text, code: text };
  }
  const file = compilation.program.getSourceFile(path);
  if (file === undefined || !/\.[cm]?ts$/.test(path)) {
    const text = file?.text ?? readFileSync(path, 'utf8');
    if (/\.[cm]?js$/.test(path)) return { kind: 'code', text, code: text };
    const out = ts.transpileModule(text, {
      fileName: path,
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, sourceMap: true },
    });
    return { kind: 'code', text, code: out.outputText, ...(out.sourceMapText && { map: out.sourceMapText }) };
  }
  return { kind: 'code', text: file.text, ...emit(compilation, file) };
}

interface Refusal {
  readonly code: 'NM1004' | 'NM1005';
  readonly message: string;
  readonly fix?: string;
}

function resolve(specifier: string, from: string): string | Refusal {
  if (specifier === 'netmill') return 'netmill';
  if (isForbidden(specifier)) return forbidden(specifier);
  const path = resolveAtRunTime(specifier, from);
  if (path === undefined) return { code: 'NM1004', message: `module '${specifier}' was not found` };
  if (!isEsm(path))
    return {
      code: 'NM1005',
      message: `'${specifier}' is a CommonJS module: ${path}`,
      fix: 'use a package that is an ECMAScript module ("type": "module").',
    };
  return path;
}

/** Node's own modules, addresses, and netmill's inside. */
export function isForbidden(specifier: string): boolean {
  return (
    isBuiltin(specifier) || /^(node|https?|data|file):/.test(specifier) || specifier.startsWith('netmill/')
  );
}

export function forbidden(specifier: string): Refusal {
  return {
    code: 'NM1005',
    message: `a policy cannot import '${specifier}': it must give the same router at every build, everywhere`,
    fix: "import only 'netmill', files of the policy, and packages that do the same.",
  };
}

function isEsm(path: string): boolean {
  if (/\.(mjs|mts|ts|json)$/.test(path)) return true;
  if (/\.(cjs|cts)$/.test(path)) return false;
  for (let at = dirname(path); ; at = dirname(at)) {
    const text = ts.sys.readFile(join(at, 'package.json'));
    if (text !== undefined) return /"type"\s*:\s*"module"/.test(text);
    if (at === dirname(at)) return false;
  }
}

function refuse(refusal: Refusal, specifier: string, path: string, program: ts.Program): Diagnostic {
  const file = program.getSourceFile(path);
  let place = { origin: { file: path, line: 1, column: 1 } } as Partial<ReturnType<typeof placeOf>> & {
    origin: Diagnostic['origin'];
  };
  file?.forEachChild((node) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
      if (ts.isStringLiteral(node.moduleSpecifier) && node.moduleSpecifier.text === specifier)
        place = placeOf(node.moduleSpecifier);
  });
  return { severity: 'error', related: [], ...refusal, ...place };
}
