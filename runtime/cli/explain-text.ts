/** Explanations for people. */
import type { Explanation, Step } from '../../codegen/explain/explain.js';
import { count } from './text.js';

export interface Explained extends Partial<Explanation> {
  /** Of the frame in a capture, from 1. */
  readonly number?: number;
  readonly packet: string;
}

const stages: Readonly<Record<Step['stage'], string>> = {
  addresses: 'addresses',
  acl: 'ACL',
  urpf: 'uRPF',
  host: 'router',
  pbr: 'PBR',
  route: 'route',
  out: 'ACL out',
};

/** Of the rules that did not take it, so many of the first and of the last are shown; `--json` has all. */
const shown = 15;

export function explanationText(one: Explained): string {
  const head = `${one.number === undefined ? '' : `${one.number}  `}${one.interface ? `in ${one.interface} ` : ''}${one.packet}`;
  const steps = (one.steps ?? []).flatMap((step) => [
    `${stages[step.stage]}${step.list === undefined ? '' : ` "${step.list}"`}: ${step.result}`,
    ...lines(step),
  ]);
  return `${[head, ...steps, ...(one.fate ? [`fate: ${one.fate}`] : [])].join('\n')}\n`;
}

function lines({ tried }: Step): readonly string[] {
  const texts = tried.map(
    ({ place, text, about, not }) =>
      `  ${not === undefined ? '✔' : '·'} ${place}  ${text}${not === undefined && about ? ` (${about})` : ''}${not === undefined ? '' : `\n      ${not}`}`,
  );
  if (texts.length <= 2 * shown) return texts;
  const left = texts.length - 2 * shown;
  return [
    ...texts.slice(0, shown),
    `    ${count(left)} more do not take it: see --json`,
    ...texts.slice(-shown),
  ];
}

/** With the rule that decides. Which `out` ACL is asked depends on routes: its answer is none yet. */
export function explainedLine(one: Explained): string {
  const by = one.steps
    ?.filter((step) => step.stage !== 'out')
    .flatMap((step) => step.tried.filter((line) => line.not === undefined))
    .at(-1);
  return [
    String(one.number ?? ''),
    one.interface ?? '',
    one.packet,
    one.fate ?? '',
    by ? `${by.place}  ${by.text}` : '',
  ]
    .filter((part) => part !== '')
    .join('  ');
}
