/**
 * For a process that root has started and that will run what others wrote: it goes on as a user that nobody is, so
 * that no file of another user and no other process is open to it. Whatever it needs to read it has read before.
 */

/** User ids that no system gives to anybody; the process's own number makes each one different. */
const nobodys = 0x70000000;
/** `nobody`, for user namespaces that do not have such numbers. */
const nobody = 65534;

/** Nothing, for a process that is not root's, or may not become somebody else (a container without CAP_SETUID). */
export function giveUpRoot(): void {
  if (process.getuid?.() !== 0) return;
  try {
    process.setgroups!([]);
    become(nobodys + process.pid);
  } catch (error) {
    if (codeOf(error) === 'EPERM') return;
    become(nobody);
  }
}

function become(id: number): void {
  process.setgid!(id);
  process.setuid!(id);
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
