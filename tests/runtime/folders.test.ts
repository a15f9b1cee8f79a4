/** Directories that the daemon needs: made with what is above them, refused with what to do. */
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { MillError } from '../../runtime/errors.js';
import { makeWritable } from '../../runtime/folders.js';

const scratch = () => mkdtempSync(join(tmpdir(), 'netmill-folders-'));

test('what is missing above it is made too, and twice is no harm', (t) => {
  const dir = join(scratch(), 'a', 'b', 'c');
  makeWritable(dir, 'run directory', 'choose another one');
  makeWritable(dir, 'run directory', 'choose another one');
  t.true(statSync(dir).isDirectory());
});

for (const [what, make, reason] of [
  ['a file system that takes no directories', () => '/proc/netmill/run', /ENOENT|EACCES|EPERM/],
  [
    'a file',
    () => {
      const file = join(scratch(), 'file');
      writeFileSync(file, '');
      return file;
    },
    /not a directory/,
  ],
  [
    'a path below a file',
    () => {
      const file = join(scratch(), 'file');
      writeFileSync(file, '');
      return join(file, 'run');
    },
    /ENOTDIR|not a directory/,
  ],
] as const) {
  test(`${what} is refused with a reason and a fix`, (t) => {
    const dir = make();
    const error = t.throws<MillError>(() => makeWritable(dir, 'run directory', 'choose another one'), {
      instanceOf: MillError,
    });
    t.true(
      error?.message.startsWith(`run directory ${dir}: expected a directory to write to: `),
      error?.message,
    );
    t.regex(error?.message ?? '', reason);
    t.is(error?.fix, 'choose another one');
  });
}
