/**
 * `npm run demo [-- --json]`: a whole network in namespaces. Builds a policy, routes by it, changes it under load,
 * kills the daemon, hands everything back; nothing is left behind, whatever happens. Exit code 0 when every claim
 * held, 1 when one did not, 77 when the machine lacks something.
 */
import { Writable } from 'node:stream';
import { missing } from '../../tests/support/netns.js';
import { Claims } from './claims.js';
import { milliseconds, screen } from './screen.js';
import * as story from './story.js';
import { createWorld, type World } from './world.js';

interface Totals {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
}

async function tell(world: World, about: story.Story): Promise<Totals> {
  await story.settle(world);
  const before = await story.fingerprint(world);
  const bundle = await story.buildPolicy(about);
  const netmill = await story.startRouter(about, bundle);
  await story.askRoutes(about, netmill);
  const running = await story.startTraffic(about, netmill);
  await story.showRates(running);
  await story.changePolicy(running);
  await story.traceRoute(running);
  await story.killDaemon(running);
  const totals = await story.endTraffic(running);
  await story.handBack(running, before);
  return totals;
}

async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  const quiet = new Writable({ write: (_chunk, _encoding, done) => done() });
  const show = screen(json ? quiet : process.stdout);
  const reason = missing('traceroute', 'ping');
  if (reason) {
    process.stderr.write(`demo: ${reason}\n`);
    return 77;
  }
  const started = performance.now();
  const claims = new Claims(show);
  let totals: Totals = { sent: 0, received: 0, lost: 0 };
  let world: World | undefined;
  try {
    show.title('netmill', 'three customers, two providers, 58,000 routes, one policy');
    show.heading('The network');
    const made = await createWorld(show.doing);
    world = made;
    const n = made.routes[4].length + made.routes[6].length;
    show.fact('kernel', `${n.toLocaleString('en')} routes in ${milliseconds(made.fillMs)}`);
    totals = await tell(made, { world: made, screen: show, claims });
  } catch (error) {
    claims.add('the demo ran to its end', false, error instanceof Error ? error.message : String(error));
  } finally {
    await world?.lab.close();
  }
  const { sent, received, lost } = totals;
  const held = claims.all.filter((claim) => claim.ok).length;
  show.heading(
    `${held} of ${claims.all.length} claims held, in ${milliseconds(performance.now() - started)}`,
  );
  if (json)
    process.stdout.write(`${JSON.stringify({ ok: claims.ok, sent, received, lost, claims: claims.all })}\n`);
  return claims.ok ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
process.exit();
