/** The policy that a plan is made against: what runs, a bundle, another policy file, or the same one in git's past. */
import { existsSync, readFileSync, realpathSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { CheckedPolicy } from '../../codegen/checked.js';
import { policyFile, policyFromJson } from '../../codegen/policy-json.js';
import { makeScratch, removeScratch } from '../../codegen/scratch.js';
import { MillError } from '../errors.js';

/** @throws MillError when it is no bundle, or one of a netmill that kept no policy in it */
export function policyOfBundle(directory: string): CheckedPolicy {
  const path = join(directory, policyFile);
  if (!existsSync(path))
    throw new MillError(
      'not-found',
      `${directory} has no ${policyFile}`,
      'build it with this netmill, or plan against git:REV',
    );
  try {
    return policyFromJson(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new MillError('policy', `${path} cannot be read: ${(error as Error).message}`, 'build it again');
  }
}

/** Policy file as it was at `revision`, with everything that it imports; the directory goes away after `use`. */
export async function atRevision<T>(
  policy: string,
  revision: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const { execa } = await import('execa'); // a tenth of a second, which other commands need not wait
  const real = realpathSync(policy);
  const git = (...args: readonly string[]) => execa('git', ['-C', dirname(real), ...args]);
  const refuse = (error: unknown): never => {
    const text = (error as { stderr?: string }).stderr?.trim().split('\n')[0];
    throw new MillError(
      'not-found',
      `git knows no '${revision}' of ${policy}: ${text ?? String(error)}`,
      'name a commit, a branch or a tag of the repository that has the policy',
    );
  };
  const top = (await git('rev-parse', '--show-toplevel').catch(refuse)).stdout;
  // `--` and an option-like revision must not become an option of git.
  const commit = (
    await git('rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`).catch(refuse)
  ).stdout;
  const scratch = makeScratch('plan');
  try {
    const archive = join(scratch, 'tree.tar');
    await execa('git', ['-C', top, 'archive', '--format=tar', '-o', archive, commit]).catch(refuse);
    await execa('tar', ['-xf', archive, '-C', scratch]);
    const packages = join(top, 'node_modules');
    if (existsSync(packages) && !existsSync(join(scratch, 'node_modules')))
      symlinkSync(packages, join(scratch, 'node_modules'));
    const path = join(scratch, relative(realpathSync(top), real));
    if (!existsSync(path))
      throw new MillError(
        'not-found',
        `${policy} does not exist in '${revision}'`,
        'name a revision that has it',
      );
    return await use(path);
  } finally {
    removeScratch(scratch);
  }
}

export function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
