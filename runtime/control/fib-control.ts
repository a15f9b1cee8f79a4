/** The tie between the kernel's tables and the engine's: held, let go for a while, tied anew. */
import type { Fpm } from '../fpm.js';
import type { AuditReport, Rib } from '../native.js';
import type { FibReply } from './types.js';

export interface FibControl {
  /** Applies what has changed meanwhile. */
  couple(): Promise<void>;
  /** From now on what is forwarded by stays as it is, and changes are only tracked. */
  decouple(): void;
  /** Reads the kernel's tables afresh; what is not there any more goes. */
  recouple(): Promise<void>;
  /** Holds kernel, RIB and compiled FIB against each other, and repairs what is wrong. */
  audit(): Promise<AuditReport>;
  status(): FibReply;
}

export function controlFib(
  rib: Pick<Rib, 'couple' | 'decouple' | 'recouple' | 'settled' | 'status' | 'audit'>,
  fpm: Pick<Fpm, 'status'> | undefined,
): FibControl {
  let decoupledSince: string | undefined;
  return {
    couple: async () => {
      rib.couple();
      decoupledSince = undefined;
      await rib.settled();
    },
    decouple: () => {
      rib.decouple();
      decoupledSince ??= new Date().toISOString();
    },
    recouple: async () => {
      await rib.recouple();
      decoupledSince = undefined;
      await rib.settled();
    },
    audit: () => rib.audit(),
    status: () => {
      const status = rib.status();
      return {
        ...status,
        messages: Number(status.messages),
        batches: Number(status.batches),
        ...(decoupledSince !== undefined && { decoupledSince }),
        ...(fpm && { fpm: fpm.status() }),
      };
    },
  };
}
