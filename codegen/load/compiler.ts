/**
 * The one place that knows ts-morph. Everything else in the loader and in the predicate compiler uses the raw
 * compiler API through `ts`: wrappers cost too much on policies with thousands of rules.
 */
import { join } from 'node:path';
import { Project, ts } from 'ts-morph';
import { packageRoot } from '../package-root.js';
import { placeCalls } from './place-calls.js';

export { packageRoot, ts };

const ownTypes = join(packageRoot, 'dist/dsl/index.d.ts');

const options: ts.CompilerOptions = {
  strict: true,
  // Told as warnings, by unused.ts.
  noUnusedLocals: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  // A small library and no ambient types: a type check costs a fifth, and what a policy must not use is unknown.
  lib: ['lib.es2022.d.ts'],
  types: [],
  skipLibCheck: true,
  allowJs: true,
  checkJs: false,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  sourceMap: true,
  forceConsistentCasingInFileNames: true,
  paths: { netmill: [ownTypes] },
};

/** A type-checked set of source files. */
export interface Compilation {
  readonly program: ts.Program;
  readonly checker: ts.TypeChecker;
  /** Adds files that only run time finds: the JavaScript of packages. */
  withFiles(files: readonly { readonly path: string; readonly text: string }[]): Compilation;
}

export function compile(entry: string): Compilation {
  return createCompiler()(entry);
}

/**
 * Compiles one entry after the other. The language's library and netmill's own types are read the first time; whatever
 * an operator can change is read and resolved anew.
 */
export function createCompiler(): (entry: string) => Compilation {
  const project = new Project({ skipAddingFilesFromTsConfig: true, compilerOptions: options });
  let used = false;
  return (entry) => {
    if (used) forgetPolicy(project);
    used = true;
    project.addSourceFileAtPath(entry);
    return compilation(project);
  };
}

function forgetPolicy(project: Project): void {
  const program = project.getProgram().compilerObject;
  for (const file of program.getSourceFiles()) {
    if (program.isSourceFileDefaultLibrary(file) || isOwn(file.fileName)) continue;
    const known = project.getSourceFile(file.fileName);
    if (known) project.removeSourceFile(known);
  }
}

function compilation(project: Project): Compilation {
  const program = project.getProgram().compilerObject;
  return {
    program,
    checker: program.getTypeChecker(),
    withFiles(files) {
      for (const { path, text } of files) project.createSourceFile(path, text, { overwrite: true });
      return compilation(project);
    },
  };
}

/**
 * JavaScript and source map of one file of the program. Builders are told where they are called: see place-calls.ts. Its
 * types are not checked for that, which takes longer than all else: they are while the policy is evaluated.
 */
export function emit(
  { program, checker }: Pick<Compilation, 'program' | 'checker'>,
  file: ts.SourceFile,
): { readonly code: string; readonly map: string } {
  let code = '';
  let map = '';
  const write = (path: string, text: string) => {
    if (path.endsWith('.map')) map = text;
    else code = text;
  };
  const settings = program.getCompilerOptions();
  settings.noCheck = true;
  program.emit(file, write, undefined, false, { before: [placeCalls(checker)] });
  settings.noCheck = false;
  return { code, map };
}

/** The file that `import` takes at run time; declarations are passed over. */
export function resolveAtRunTime(specifier: string, from: string): string | undefined {
  const host: ts.ModuleResolutionHost = {
    fileExists: (path) => !/\.d\.[cm]?ts$/.test(path) && ts.sys.fileExists(path),
    readFile: ts.sys.readFile,
    ...(ts.sys.realpath && { realpath: ts.sys.realpath }),
    directoryExists: ts.sys.directoryExists,
    getCurrentDirectory: ts.sys.getCurrentDirectory,
  };
  const { paths: _, ...plain } = options;
  return ts.resolveModuleName(specifier, from, plain, host).resolvedModule?.resolvedFileName;
}

/** Specifiers that a piece of JavaScript imports. */
export function importsOf(code: string): readonly string[] {
  return ts.preProcessFile(code, true, true).importedFiles.map((one) => one.fileName);
}

/** Is this file netmill's own? */
export function isOwn(path: string): boolean {
  return path.startsWith(join(packageRoot, 'dist/dsl/')) || path.startsWith(join(packageRoot, 'dsl/'));
}
