/** What a shell script can tell apart: sysexits(3), and below them what `netmill test` found. */
import type { ErrorCode } from './errors.js';

export const exits = {
  ok: 0,
  testFailed: 1,
  mutantSurvived: 2,
  /** Less than `--min` says. */
  notReached: 3,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  system: 71,
  temporary: 75,
  protocol: 76,
  permission: 77,
} as const;

const byCode: Readonly<Record<ErrorCode, number>> = {
  usage: exits.usage,
  policy: exits.data,
  'not-found': exits.noInput,
  permission: exits.permission,
  unavailable: exits.unavailable,
  busy: exits.temporary,
  frame: exits.protocol,
  engine: exits.unavailable,
  system: exits.system,
  internal: exits.software,
};

export function exitCodeOf(code: ErrorCode): number {
  return byCode[code];
}
