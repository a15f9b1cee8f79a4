/** Objects of a policy that nothing uses: TypeScript knows which constants of a file are never read. */
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { type Compilation, ts } from './compiler.js';
import { nodeAt, placeOf } from './place.js';
import { policyFiles, unusedCodes } from './typescript.js';

const whats: Readonly<Record<string, string>> = {
  nets: 'networks',
  hosts: 'hosts',
  set: 'a set',
  service: 'a service',
  tcp: 'a service',
  udp: 'a service',
  icmp: 'a service',
  proto: 'a service',
  acl: 'an ACL',
  pbr: 'a PBR list',
  predicate: 'a predicate',
  allow: 'a rule',
  deny: 'a rule',
  reject: 'a rule',
  nexthop: 'a rule',
  rulesFromFile: 'a list of rules',
};

export function unusedObjects({ program }: Compilation): readonly Diagnostic[] {
  return policyFiles(program).flatMap((file) =>
    program
      .getSemanticDiagnostics(file)
      .filter((one) => unusedCodes.includes(one.code) && one.start !== undefined)
      .flatMap((one) => unusedObject(file, one.start!)),
  );
}

function unusedObject(file: ts.SourceFile, start: number): readonly Diagnostic[] {
  const { line, character } = file.getLineAndCharacterOfPosition(start);
  const declaration = declarationAt(nodeAt(file, line + 1, character + 1));
  if (!declaration?.initializer || !ts.isIdentifier(declaration.name)) return [];
  const builder = builderOf(declaration.initializer);
  const what = builder !== undefined && Object.hasOwn(whats, builder) ? whats[builder] : undefined;
  if (what === undefined) return [];
  return [
    {
      code: 'NM3025',
      severity: 'warning',
      message: `'${declaration.name.text}' is ${what} that nothing uses`,
      related: [],
      fix: 'use it, delete it, or export it for others.',
      ...placeOf(declaration.name),
    },
  ];
}

/** The name that is marked, or the statement when all that it declares is unused. */
function declarationAt(node: ts.Node | undefined): ts.VariableDeclaration | undefined {
  for (let at = node; at !== undefined; at = at.parent) {
    if (ts.isVariableDeclaration(at)) return at;
    if (ts.isVariableStatement(at)) return at.declarationList.declarations[0];
    if (ts.isBlock(at) || ts.isSourceFile(at)) return undefined;
  }
  return undefined;
}

/** `deny` of `deny({ … }).log().why('…')` */
function builderOf(node: ts.Expression): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  const { expression } = node;
  if (ts.isPropertyAccessExpression(expression)) return builderOf(expression.expression);
  return ts.isIdentifier(expression) ? expression.text : undefined;
}
