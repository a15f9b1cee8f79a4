/**
 * Lines to the system's log. Node has no datagram Unix sockets, so `logger` (util-linux) carries them: it is fed by
 * a pipe, stamps them as RFC 3164 asks and sends them to /dev/log. Where there is no /dev/log, or `logger` does not
 * start, the lines go to the daemon's own log. A syslog that does not read never stalls the daemon: lines beyond
 * a bounded queue are dropped and counted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';

export interface Syslog {
  /** One line of facility `daemon`. */
  write(line: string, severity: 'warning' | 'notice' | 'info'): void;
  stop(): Promise<void>;
}

export interface SyslogOptions {
  /** The socket, /dev/log but in tests. */
  readonly path: string;
  readonly tag: string;
  /** Where lines go without a syslog. */
  readonly fallback: (line: string, severity: string) => void;
}

/** RFC 3164 §4.1.1: facility daemon is 3. */
const FACILITY = 3 << 3;
const severities = { warning: 4, notice: 5, info: 6 } as const;
const MAX_QUEUED = 256 * 1024;

export function openSyslog(options: SyslogOptions): Syslog {
  let child: ChildProcess | undefined;
  let dropped = 0;
  let stopped = false;

  const start = (): ChildProcess | undefined => {
    if (!isSocket(options.path)) return undefined;
    const args = ['--prio-prefix', '--rfc3164', '--id', '-t', options.tag, '-u', options.path];
    const started = spawn('logger', args, { stdio: ['pipe', 'ignore', 'ignore'] });
    const forget = () => {
      if (child === started) child = undefined;
    };
    started.on('error', forget);
    started.on('exit', forget);
    started.stdin!.on('error', forget);
    return started;
  };

  return {
    write: (line, severity) => {
      if (stopped) return;
      child ??= start();
      const pipe = child?.stdin;
      if (!pipe || child?.pid === undefined) return options.fallback(line, severity);
      if (pipe.writableLength > MAX_QUEUED) {
        dropped += 1;
        return;
      }
      if (dropped > 0)
        pipe.write(`<${FACILITY | severities.warning}>${dropped} lines lost: syslog was too slow\n`);
      dropped = 0;
      pipe.write(`<${FACILITY | severities[severity]}>${line.replaceAll('\n', ' ')}\n`);
    },
    stop: async () => {
      stopped = true;
      const last = child;
      if (last === undefined) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => last.kill('SIGKILL'), 1000);
        last.once('exit', () => {
          clearTimeout(timer);
          resolve();
        });
        last.stdin!.end();
      });
    },
  };
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
