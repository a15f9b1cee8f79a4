/**
 * Tells builders where they are called: `deny(x)` becomes `$netmill(file, 12, 3, deny)(x)`. A stack trace would tell it
 * too, and does wherever a call is made in another way; but its cost grows with the function that it comes from, and
 * lists of thousands of rules are one expression.
 */
import { ts } from 'ts-morph';
import { placeFunction } from './protocol.js';

export function placeCalls(checker: ts.TypeChecker): ts.TransformerFactory<ts.SourceFile> {
  return (context) => (file) => {
    const visit = (node: ts.Node): ts.Node => {
      const seen = ts.visitEachChild(node, visit, context);
      return ts.isCallExpression(node) && ts.isCallExpression(seen) && isBuilder(node.expression, checker)
        ? withPlace(seen, node.expression, file, context.factory)
        : seen;
    };
    return ts.visitEachChild(file, visit, context);
  };
}

/** A name that is imported from netmill. */
function isBuilder(callee: ts.Expression, checker: ts.TypeChecker): boolean {
  if (!ts.isIdentifier(callee)) return false;
  const declaration = checker.getSymbolAtLocation(callee)?.declarations?.[0];
  if (declaration === undefined || !ts.isImportSpecifier(declaration)) return false;
  const { moduleSpecifier } = declaration.parent.parent.parent;
  return ts.isStringLiteral(moduleSpecifier) && moduleSpecifier.text === 'netmill';
}

function withPlace(
  call: ts.CallExpression,
  callee: ts.Expression,
  file: ts.SourceFile,
  factory: ts.NodeFactory,
): ts.CallExpression {
  const { line, character } = file.getLineAndCharacterOfPosition(callee.getStart(file));
  const placed = factory.createCallExpression(factory.createIdentifier(placeFunction), undefined, [
    factory.createStringLiteral(file.fileName),
    factory.createNumericLiteral(line + 1),
    factory.createNumericLiteral(character + 1),
    call.expression,
  ]);
  return factory.updateCallExpression(call, placed, undefined, call.arguments);
}
