/**
 * Linux stands in one folder: what the engine has outside os/ is compiled without Linux's calls (os/portable.h), and, as make wrote
 * down of each file, without its headers. Headers that portable ones bring along by themselves are nobody's wish.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';

const engine = 'runtime/engine';
const folders = ['.', 'port', 'fib', 'host', 'own', 'tools', 'client', 'selftest', 'forwarder'];
const ofLinux =
  /\/(?:linux|bpf|asm|xdp)\/|\/sys\/(?:epoll|eventfd|signalfd|timerfd|prctl|sendfile|syscall|inotify|fanotify|mount|capability)\.h$/;

/** Headers in what `gcc -M` writes. */
function headers(rule: string): readonly string[] {
  const first = rule.replaceAll('\\\n', ' ').split('\n')[0]!;
  return first
    .slice(first.indexOf(':') + 1)
    .trim()
    .split(/\s+/);
}

function compile(...args: readonly string[]): string {
  const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-include', 'os/portable.h', '-x', 'c'];
  return execFileSync('gcc', [...flags, ...args, '-'], { cwd: engine, input: '', encoding: 'utf8' });
}

/** Of Linux alone, but for what portable headers bring along. */
function linuxHeaders(rule: string, brought: ReadonlySet<string>): readonly string[] {
  return headers(rule).filter((path) => ofLinux.test(path) && !brought.has(path));
}

test('a header of Linux is seen, whoever includes it', (t) => {
  const brought = new Set(headers(compile('-M')));
  const included = (name: string) => linuxHeaders(compile('-M', '-include', name), brought);
  t.deepEqual(included('net/if.h'), []);
  for (const name of ['linux/if_link.h', 'bpf/bpf.h', 'netinet/if_ether.h', 'sys/inotify.h'])
    t.true(included(name).length > 0, name);
});

test('every folder but os/ is looked at', (t) => {
  const all = readdirSync(engine, { withFileTypes: true }).filter((one) => one.isDirectory());
  const others = ['os', 'include', 'dpdk', 'build', 'build-san']; // headers count where they are included; DPDK has its own
  const known = [...folders, ...others];
  t.deepEqual(
    all.map(({ name }) => name).filter((name) => !known.includes(name)),
    [],
  );
});

test('the plugin for DPDK includes no header of Linux by itself', (t) => {
  for (const name of readdirSync(join(engine, 'dpdk'))) {
    const text = readFileSync(join(engine, 'dpdk', name), 'utf8');
    const named = [...text.matchAll(/#include <([^>]+)>/g)].map(([, header]) => `/${header}`);
    t.deepEqual(
      named.filter((header) => ofLinux.test(header)),
      [],
      name,
    );
  }
});

test('what a forwarder sees compiles without what Linux alone has', (t) => {
  const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-Iinclude', '-I..', '-I.', '-include', 'os/portable.h'];
  t.notThrows(() =>
    execFileSync('gcc', [...flags, '-fsyntax-only', 'forwarder/lookups.c'], { cwd: engine, stdio: 'pipe' }),
  );
});

test('no file outside os/ includes a header of Linux', (t) => {
  const brought = new Set(headers(compile('-M')));
  const sources = folders.flatMap((folder) =>
    readdirSync(join(engine, folder))
      .filter((name) => name.endsWith('.c'))
      .map((name) => join(folder, name)),
  );
  t.true(sources.length > 60, `${sources.length} files`);
  for (const source of sources) {
    const rule = join(engine, 'build', source.replace(/c$/, 'd'));
    t.true(existsSync(rule), `${rule}: make -C ${engine} all`);
    t.deepEqual(linuxHeaders(readFileSync(rule, 'utf8'), brought), [], source);
  }
});

const refuses = test.macro((t, code: string) => {
  const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-include', 'os/portable.h', '-fsyntax-only', '-x', 'c', '-'];
  const run = (input: string) => execFileSync('gcc', flags, { cwd: engine, input, stdio: 'pipe' });
  t.notThrows(() => run('int f(void); int f(void) { return close(-1); }'));
  t.throws(() => run(`int f(void); int f(void) { return ${code}; }`), { message: /poisoned/ });
});
test('a call of Linux is refused', refuses, 'epoll_create1(0)');
test('an option of Linux is refused', refuses, 'SO_PEERCRED');
