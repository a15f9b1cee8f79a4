/**
 * How a system test is declared: bounded in time, and skipped with its reason in the title where the machine
 * lacks something, so that a run says what it did not try.
 */
import { existsSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { missing } from './netns.js';

type Body = (t: ExecutionContext) => Promise<void>;

export interface SystemTestOptions {
  /** Programs that the test needs beside ip and ethtool. */
  readonly tools?: readonly string[];
  /** Files of the system that it needs, such as `/dev/netmap`. */
  readonly files?: readonly string[];
  readonly seconds?: number;
}

export function systemTest(title: string, body: Body, options: SystemTestOptions = {}): void {
  const absent = options.files?.find((file) => !existsSync(file));
  const reason = missing(...(options.tools ?? [])) ?? (absent && `needs ${absent}`);
  if (reason) {
    test.skip(`${title} (skipped: ${reason})`, body);
    return;
  }
  test.serial(title, async (t) => {
    t.timeout((options.seconds ?? 60) * 1000);
    await body(t);
  });
}

/** Scales long tests: `NETMILL_TEST_SCALE=0.1` for a quick look. */
export function scaled(count: number): number {
  return Math.max(1, Math.round(count * Number(process.env.NETMILL_TEST_SCALE ?? 1)));
}
