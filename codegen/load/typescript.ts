/** TypeScript's diagnostics in our words. */
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { type Compilation, isOwn, ts } from './compiler.js';
import { forbidden, isForbidden } from './modules.js';
import { nodeAt, placeBetween, placeOf } from './place.js';

/** Declarations that are never read: variables, all of an import, types, destructured ones. */
export const unusedCodes: readonly number[] = [6133, 6192, 6196, 6198, 6199];

const moduleNotFound = [2307, 2792, 7016];

export function syntaxErrors({ program }: Compilation): readonly Diagnostic[] {
  return policyFiles(program).flatMap((file) =>
    program.getSyntacticDiagnostics(file).map((one) => translate(one, 'NM1001')),
  );
}

export function typeErrors({ program }: Compilation): readonly Diagnostic[] {
  return policyFiles(program).flatMap((file) => [
    ...forbiddenImports(file),
    ...program
      .getSemanticDiagnostics(file)
      .filter((one) => !isForbiddenImport(one) && !unusedCodes.includes(one.code))
      .map((one) => translate(one, 'NM1002')),
  ]);
}

/** The operator's TypeScript: not libraries, not packages, not netmill. */
export function policyFiles(program: ts.Program): readonly ts.SourceFile[] {
  return program
    .getSourceFiles()
    .filter((file) => !file.isDeclarationFile && !isOwn(file.fileName) && /\.[cm]?ts$/.test(file.fileName));
}

function forbiddenImports(file: ts.SourceFile): readonly Diagnostic[] {
  return file.statements.flatMap((node): Diagnostic[] => {
    if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier)) return [];
    const specifier = node.moduleSpecifier;
    if (!isForbidden(specifier.text)) return [];
    const place = placeBetween(file, specifier.getStart(file), specifier.getEnd());
    return [{ severity: 'error', related: [], ...forbidden(specifier.text), ...place }];
  });
}

function isForbiddenImport(one: ts.Diagnostic): boolean {
  if (
    one.file === undefined ||
    one.start === undefined ||
    ![...moduleNotFound, 2591, 2580].includes(one.code)
  )
    return false;
  const text = one.file.text.slice(one.start + 1, one.start + (one.length ?? 0) - 1);
  return isForbidden(text);
}

function translate(one: ts.Diagnostic, code: 'NM1001' | 'NM1002'): Diagnostic {
  const place =
    one.file && one.start !== undefined
      ? placeBetween(one.file, one.start, one.start + (one.length ?? 1))
      : { origin: { file: '', line: 1, column: 1 } };
  const text = ts.flattenDiagnosticMessageText(one.messageText, '\n');
  const literal = literalMessage(text);
  const related = (one.relatedInformation ?? []).flatMap((info) =>
    info.file && info.start !== undefined && !info.file.isDeclarationFile
      ? [
          {
            origin: placeBetween(info.file, info.start, info.start).origin,
            message: firstLine(info.messageText),
          },
        ]
      : [],
  );
  const base = { severity: 'error', related, ...place } as const;
  if (literal) return { ...base, ...valuePlace(one), code: 'NM1003', message: literal };
  if (moduleNotFound.includes(one.code))
    return { ...base, code: 'NM1004', message: firstLine(one.messageText) };
  return { ...base, code, message: mostSpecific(text), ...unnarrowed(text) };
}

/** Fields that a packet has when p.l4 says so (dsl/packet.ts). */
const narrowed: Readonly<Record<string, string>> = {
  sport: "p.l4 === 'tcp' or 'udp'",
  dport: "p.l4 === 'tcp' or 'udp'",
  flags: "p.l4 === 'tcp'",
  icmpType: "p.l4 === 'icmp'",
  icmpCode: "p.l4 === 'icmp'",
};

function unnarrowed(text: string): { readonly fix?: string } {
  const [, field, type = ''] = /^Property '(\w+)' does not exist on type '(\w+)'/.exec(text) ?? [];
  if (field === undefined || !Object.hasOwn(narrowed, field) || !/Packet$/.test(type)) return {};
  return { fix: `ask first: ${narrowed[field]}.` };
}

/** The reason that our literal types carry, that of this literal: `'10.0.300.0' is not an IPv4 address`. */
function literalMessage(text: string): string | undefined {
  const offending = /type '"([^"]*)"' is not assignable/i.exec(text)?.[1];
  if (offending === undefined) return undefined;
  const reasons = [...text.matchAll(/"('([^'"]*)' is not an? [^"]*)"/g)];
  return reasons.find((found) => offending.includes(found[2]!))?.[1];
}

/** TypeScript marks the name of a property whose value is wrong. */
function valuePlace(one: ts.Diagnostic): Partial<Diagnostic> {
  if (one.file === undefined || one.start === undefined) return {};
  const { line, character } = one.file.getLineAndCharacterOfPosition(one.start);
  const property = nodeAt(one.file, line + 1, character + 1)?.parent;
  return property && ts.isPropertyAssignment(property) ? placeOf(property.initializer) : {};
}

/** TypeScript explains from the outside in; the last line says what is wrong. */
function mostSpecific(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const [first = ''] = lines;
  const last = lines.at(-1) ?? first;
  return lines.length > 1 && /does not exist in type|Did you mean|is missing|is not assignable/.test(last)
    ? last
    : first;
}

function firstLine(message: string | ts.DiagnosticMessageChain): string {
  return ts.flattenDiagnosticMessageText(message, '\n').split('\n')[0] ?? '';
}
