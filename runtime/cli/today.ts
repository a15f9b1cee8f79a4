/** `--today`: the day by which `.expires()` and waivers are judged. */
import { Option, UsageError } from 'clipanion';

export const todayOption = () =>
  Option.String('--today', {
    description:
      "the day by which expired rules and waivers are told, '2027-03-31'; the machine's when not said",
  });

/** @throws UsageError */
export function readToday(given: string | undefined): { readonly today?: string } {
  if (given === undefined) return {};
  const time = /^\d{4}-\d\d-\d\d$/.test(given) ? Date.parse(`${given}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(time) || !new Date(time).toISOString().startsWith(given))
    throw new UsageError(`expected --today 2027-03-31, a year, month and day, got '${given}'`);
  return { today: given };
}
