/**
 * The shape of what commands print with --json. `schemas/` holds them as JSON Schema, for readers that are not
 * TypeScript; tests hold real output against them, so that neither can change without the other.
 */
import { z } from 'zod';
import { lookupReasons } from '../../codegen/lookup.js';
import { bridgeReport, genReport } from './traffic-reports.js';
import { valeReport } from './vale-reports.js';

const line = z.int().positive();
const hash = z.string().regex(/^[0-9a-f]{64}$/);
/** Whole numbers of any size, as decimal text. */
const big = z.string().regex(/^\d+$/);

const place = { file: z.string(), line, column: line };

export const diagnostic = z.strictObject({
  code: z.string().regex(/^NM\d{4}$/),
  severity: z.enum(['error', 'warning', 'info']),
  message: z.string(),
  ...place,
  endLine: line.optional(),
  endColumn: line.optional(),
  expected: z.string().optional(),
  got: z.string().optional(),
  related: z.array(z.strictObject({ ...place, message: z.string() })),
  fix: z.string().optional(),
});

/** One policy as it is, several with their paths. */
function ofPolicies<S extends z.ZodRawShape>(shape: S) {
  const several = z.strictObject({ policy: z.string(), ...shape });
  return z.union([z.strictObject(shape), z.strictObject({ ok: z.boolean(), policies: z.array(several) })]);
}

const check = ofPolicies({ ok: z.boolean(), diagnostics: z.array(diagnostic) });

const build = ofPolicies({
  ok: z.boolean(),
  directory: z.string().optional(),
  files: z.strictObject({ source: z.string(), manifest: z.string(), forwarder: z.string() }).optional(),
  policyHash: hash.optional(),
  lookup: z.enum(['flat', 'radix', 'dxr']).optional(),
  lookupReason: z.enum(lookupReasons).optional(),
  milliseconds: z.number(),
  diagnostics: z.array(diagnostic),
});

const way = z.strictObject({
  fate: z.string(),
  treatment: z.string().optional(),
  place: z.string().optional(),
  text: z.string().optional(),
  about: z.string().optional(),
});

export const plannedChange = z.strictObject({
  effect: z.enum(['allowed', 'denied', 'rerouted', 'treated', 'dropped']),
  interface: z.string(),
  direction: z.enum(['in', 'out']),
  family: z.union([z.literal(4), z.literal(6)]),
  packets: big,
  sources: big,
  destinations: big,
  example: z.string(),
  old: way,
  new: way,
});

const plan = z.strictObject({
  router: z.string(),
  policyHash: hash,
  againstHash: hash,
  packets: z.array(plannedChange),
  undecided: z.array(z.string()),
  settings: z.array(
    z.strictObject({
      kind: z.string(),
      name: z.string(),
      change: z.enum(['added', 'removed', 'changed']),
      old: z.array(z.string()),
      new: z.array(z.string()),
    }),
  ),
  newInterfaces: z.array(z.string()),
  goneInterfaces: z.array(z.string()),
  costs: z.array(z.strictObject({ list: z.string(), rules: z.int(), steps: z.int() })),
  built: z
    .strictObject({
      sourceBytes: z.int(),
      forwarderBytes: z.int(),
      milliseconds: z.number(),
      lookup: z.enum(['flat', 'radix', 'dxr']),
      lookupReason: z.enum(lookupReasons),
    })
    .optional(),
});

const explained = z.strictObject({
  number: z.int().optional(),
  packet: z.string(),
  interface: z.string().optional(),
  steps: z
    .array(
      z.strictObject({
        stage: z.string(),
        list: z.string().optional(),
        tried: z.array(
          z.strictObject({
            place: z.string(),
            text: z.string(),
            not: z.string().optional(),
            about: z.string().optional(),
          }),
        ),
        result: z.string(),
      }),
    )
    .optional(),
  fate: z.string().optional(),
  treatment: z.string().optional(),
});

const imported = z.strictObject({
  ok: z.boolean(),
  /** Its text, or with -o its file. */
  policy: z.string().optional(),
  file: z.string().optional(),
  /** What its sets hold at first: names and texts, or with -o their files. */
  sets: z.array(z.union([z.string(), z.strictObject({ name: z.string(), text: z.string() })])).optional(),
  assumptions: z.array(z.string()).optional(),
  diagnostics: z.array(diagnostic),
});

const share = z.strictObject({ reached: z.int(), all: z.int() });

const tested = z.strictObject({
  passed: z.boolean(),
  runner: z.string(),
  files: z.array(z.string()),
  coverage: z.array(
    z.strictObject({
      policy: z.string(),
      router: z.string(),
      rules: share,
      branches: share,
      missing: z.array(
        z.strictObject({
          ...place,
          kind: z.enum(['rule', 'branch']),
          text: z.string(),
          why: z.enum(['shadowed', 'empty', 'stopped', 'not asked', 'undecided']),
          by: z.string().optional(),
          example: z.string().optional(),
        }),
      ),
    }),
  ),
  mutation: z
    .strictObject({
      mutants: z.int(),
      found: z.int(),
      equivalent: z.int(),
      survivors: z.array(
        z.strictObject({
          policy: z.string(),
          ...place,
          list: z.string(),
          mutation: z.enum(['flip', 'widen', 'swap', 'drop', 'divert', 'treat']),
          change: z.string(),
          example: z.string().optional(),
          fate: z.string().optional(),
          mutantFate: z.string().optional(),
        }),
      ),
    })
    .optional(),
});

const exported = z.strictObject({
  ok: z.boolean(),
  /** By name, or with -o the files. */
  texts: z.record(z.string(), z.string()).optional(),
  files: z.array(z.string()).optional(),
  diagnostics: z.array(diagnostic),
});

/** What any command prints when it fails. */
const failure = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    fix: z.string().optional(),
    details: z.string().optional(),
  }),
});

/** By the command's name, and `error`. */
export const schemas = {
  check,
  build,
  plan,
  explain: z.union([explained, z.array(explained)]),
  import: imported,
  export: exported,
  test: tested,
  gen: genReport,
  bridge: bridgeReport,
  vale: valeReport,
  error: failure,
} as const;

export type SchemaName = keyof typeof schemas;

/** A file of `schemas/`: JSON Schema 2020-12. */
export function schemaText(name: SchemaName): string {
  const about = name === 'error' ? 'netmill --json, when a command fails' : `netmill ${name} --json`;
  return `${JSON.stringify({ ...z.toJSONSchema(schemas[name]), title: about }, null, 2)}\n`;
}
