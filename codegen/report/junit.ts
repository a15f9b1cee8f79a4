/**
 * Findings as JUnit's XML, which every CI shows: a suite for each policy, a case for each finding. An error is a failure;
 * what only warns passes and says so. A policy without findings is one case that passes.
 */
import type { Finding, Report, Suite } from './report.js';

export function toJunit(report: Report): string {
  const all = report.suites.flatMap((suite) => casesOf(suite));
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="netmill ${xml(report.command)}" tests="${all.length}" failures="${failures(all)}">`,
    ...report.suites.flatMap(suiteLines),
    '</testsuites>',
    '',
  ].join('\n');
}

interface Case {
  readonly name: string;
  readonly finding?: Finding;
}

function casesOf({ findings }: Suite): readonly Case[] {
  if (findings.length === 0) return [{ name: 'nothing is wrong' }];
  return findings.map((finding) => ({ name: nameOf(finding), finding }));
}

function nameOf({ kind, place, message }: Finding): string {
  const at = place ? `${place.file}:${place.line}:${place.column} ` : '';
  return `${at}${kind} ${message.split('\n')[0]}`;
}

function failures(cases: readonly Case[]): number {
  return cases.filter((one) => one.finding?.level === 'error').length;
}

function suiteLines(suite: Suite): readonly string[] {
  const cases = casesOf(suite);
  return [
    `  <testsuite name="${xml(suite.name)}" tests="${cases.length}" failures="${failures(cases)}">`,
    ...cases.flatMap((one) => caseLines(suite, one)),
    '  </testsuite>',
  ];
}

function caseLines({ name: suite }: Suite, { name, finding }: Case): readonly string[] {
  const head = `    <testcase classname="${xml(suite)}" name="${xml(name)}"`;
  if (finding === undefined) return [`${head}/>`];
  const places = finding.related.map((one) => `${one.file}:${one.line}:${one.column} ${one.message}`);
  const text = xml([finding.message, ...places].join('\n'));
  const inside =
    finding.level === 'error'
      ? `<failure type="${xml(finding.kind)}" message="${xml(finding.message.split('\n')[0]!)}">${text}</failure>`
      : `<system-out>${text}</system-out>`;
  return [`${head}>`, `      ${inside}`, '    </testcase>'];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 §2.2 has no way to write them
const unwritable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

export function xml(text: string): string {
  return text
    .replace(unwritable, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
