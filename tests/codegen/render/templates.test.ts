/** Templates decide nothing: their grammar is paths, each and partials, and every path is in the view. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import Handlebars from 'handlebars';
import { generate } from '../../../codegen/compile.js';
import { loadAndCheck } from '../../../codegen/front.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { partials, templateDirectory } from '../../../codegen/render.js';
import { Tables } from '../../../codegen/view/classifiers.js';
import { forwarderView } from '../../../codegen/view/forwarder.js';
import { accepted, patient } from '../policy.js';

type Node = hbs.AST.Statement;

const main = readFileSync(join(templateDirectory, 'forwarder.c.hbs'), 'utf8');
const named = new Map(partials());

/** Goes through a template with all the values that stand there; what it does not find is told. */
class Walk {
  readonly problems: string[] = [];
  readonly reached = new Set<string>();

  template(name: string, text: string, contexts: readonly unknown[]): void {
    this.reached.add(name);
    for (const node of Handlebars.parse(text).body) this.statement(name, node, contexts);
  }

  statement(where: string, node: Node, contexts: readonly unknown[]): void {
    switch (node.type) {
      case 'ContentStatement':
        return;
      case 'MustacheStatement': {
        const { path, params, hash, escaped } = node as hbs.AST.MustacheStatement;
        if (params.length > 0 || hash !== undefined) this.problems.push(`${where}: a helper is called`);
        if (!escaped) this.problems.push(`${where}: three braces`);
        this.value(where, path as hbs.AST.PathExpression, contexts, ['string', 'number']);
        return;
      }
      case 'BlockStatement': {
        const block = node as hbs.AST.BlockStatement;
        if (block.path.original !== 'each' || block.params.length !== 1 || block.inverse !== undefined)
          this.problems.push(`${where}: a block that is not a plain each`);
        const lists = this.value(where, block.params[0] as hbs.AST.PathExpression, contexts, ['array']);
        for (const inner of block.program.body) this.statement(where, inner, lists.flat());
        return;
      }
      case 'PartialStatement': {
        const { name, params } = node as hbs.AST.PartialStatement;
        const partial = (name as hbs.AST.PathExpression).original;
        const text = named.get(partial);
        if (text === undefined || params.length !== 1) this.problems.push(`${where}: partial ${partial}`);
        else
          this.template(
            partial,
            text,
            this.value(where, params[0] as hbs.AST.PathExpression, contexts, ['object']),
          );
        return;
      }
      default:
        this.problems.push(`${where}: ${node.type}`);
    }
  }

  value(
    where: string,
    path: hbs.AST.PathExpression,
    contexts: readonly unknown[],
    kinds: readonly string[],
  ): readonly unknown[] {
    if (path.depth > 0 || path.data) this.problems.push(`${where}: ${path.original} leaves its context`);
    return contexts.map((context) => {
      const value = path.parts.reduce<unknown>(
        (at, part) => (at as Record<string, unknown> | undefined)?.[part as string],
        context,
      );
      const kind = Array.isArray(value) ? 'array' : typeof value;
      if (!kinds.includes(kind)) this.problems.push(`${where}: ${path.original} is ${kind}`);
      return value;
    });
  }
}

async function walked(policy: string): Promise<Walk> {
  const front = accepted(
    await loadAndCheck(join(packageRoot, policy), { limits: patient, today: '2026-01-01' }),
  );
  const walk = new Walk();
  const { ir } = generate(front);
  // Once as it is built, once with tables for all of its lists.
  walk.template('forwarder.c', main, [forwarderView(ir, new Tables(2 ** 28))]);
  walk.template('forwarder.c', main, [forwarderView(ir, new Tables(2 ** 28, 0))]);
  return walk;
}

test('templates have no grammar but paths, each and partials, and every path is in the view', async (t) => {
  t.timeout(120_000);
  const walk = await walked('examples/edge1.ts');
  t.deepEqual(walk.problems, []);
  t.deepEqual([...walk.reached].sort(), ['forwarder.c', ...named.keys()].sort());
});

test('beside what `netmill init` writes, every template is a partial or the forwarder', (t) => {
  t.deepEqual(readdirSync(templateDirectory).sort(), ['forwarder.c.hbs', 'partials', 'repository']);
});

test('the lint finds what it must find', (t) => {
  const walk = new Walk();
  walk.template('wrong', '{{#each nothing}}{{/each}}{{#if a}}{{/if}}{{{a}}}{{../a}}{{b}}', [{ a: 'x' }]);
  t.deepEqual(walk.problems, [
    'wrong: nothing is undefined',
    'wrong: a block that is not a plain each',
    'wrong: a is string',
    'wrong: three braces',
    'wrong: ../a leaves its context',
    'wrong: b is undefined',
  ]);
});
