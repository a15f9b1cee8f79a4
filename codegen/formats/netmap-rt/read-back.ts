/** The files of an export through the import: do they mean what the policy means? */
import type { AclFields } from '../../../dsl/formats/netmap-rt-acl.js';
import type { Problem } from '../../../dsl/model.js';
import type { CheckedPolicy } from '../../checked.js';
import type { FrontOptions } from '../../front.js';
import type { Draft } from '../draft.js';
import { finishImport } from '../finish.js';
import type { NetmapRtFiles } from './export.js';
import { type Read, readNetmapRt } from './read.js';
import { differences } from './verify.js';

export function draftOf(files: NetmapRtFiles, fields: AclFields, name: string): Read<Draft> {
  const acls = files.acl === undefined ? [] : [{ file: 'netmap-rt-acl.conf', text: files.acl }];
  return readNetmapRt({ file: 'netmap-rt.conf', text: files.conf }, acls, {
    name,
    fields,
    default: 'allow',
    neighbourDiscovery: 'explicit',
    portLines: 'untagged',
    vlans: new Map(),
  });
}

/** What netmap-rt would do otherwise; nothing when it does the same. */
export async function readBack(
  policy: CheckedPolicy,
  files: NetmapRtFiles,
  fields: AclFields,
  options: FrontOptions = {},
): Promise<readonly Problem[]> {
  const draft = draftOf(files, fields, policy.router.name);
  if (!draft.ok) return draft.problems.map((one) => ({ ...one, origin: policy.router.origin }));
  const { result } = await finishImport(draft.value, 'exported.ts', options);
  if (result.ok) return differences(policy, result.policy);
  return result.diagnostics.map(({ message }) => ({
    code: 'NM6005',
    origin: policy.router.origin,
    message: `what would be written makes no policy: ${message}`,
  }));
}
