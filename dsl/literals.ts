/**
 * Types that read IPv4 literals, so that a wrong one does not compile and the message says why. A parameter typed
 * `CheckPrefix<T>` infers T from the literal through the branch that returns it. IPv6 is only told apart by its
 * colon: parsing it in types costs more than the rest of the type check, so a build checks it.
 */
import type { Family } from './model.js';

type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9';
type NonZero = Exclude<Digit, '0'>;
type Octet =
  | Digit
  | `${NonZero}${Digit}`
  | `1${Digit}${Digit}`
  | `2${'0' | '1' | '2' | '3' | '4'}${Digit}`
  | `25${'0' | '1' | '2' | '3' | '4' | '5'}`;
type Length4 = Digit | `${'1' | '2'}${Digit}` | '30' | '31' | '32';

type IsIpv4<T extends string> = T extends `${infer A}.${infer B}.${infer C}.${infer D}`
  ? A extends Octet
    ? B extends Octet
      ? C extends Octet
        ? D extends Octet
          ? true
          : false
        : false
      : false
    : false
  : false;

type IsPrefix4<T extends string> = T extends `${infer Base}/${infer Length}`
  ? Length extends Length4
    ? IsIpv4<Base>
    : false
  : IsIpv4<T>;

/** A string that is not known before the build: `string`, or a template with something of it. Takes long: asked last. */
export type IsOpen<T extends string> = Record<never, 1> extends Record<T, 1> ? true : false;

/** The family of a literal; both for a string that is not known before the build. */
export type FamilyOf<T extends string> = T extends string
  ? IsPrefix4<T> extends true
    ? 4
    : IsOpen<T> extends true
      ? Family
      : T extends `${string}:${string}`
        ? 6
        : 4
  : never;

/** An address: the literal itself, or the reason why it is none. */
export type CheckAddress<T extends string> = T extends string
  ? IsIpv4<T> extends true
    ? T
    : IsOpen<T> extends true
      ? T
      : T extends `${string}:${string}`
        ? T
        : `'${T}' is not an IPv4 address`
  : never;

/** An address or a prefix. */
export type CheckPrefix<T extends string> = T extends string
  ? IsPrefix4<T> extends true
    ? T
    : IsOpen<T> extends true
      ? T
      : T extends `${string}:${string}`
        ? T
        : WhyNotPrefix<T>
  : never;

type WhyNotPrefix<T extends string> = T extends `${infer Base}/${infer Length}`
  ? IsIpv4<Base> extends true
    ? `'/${Length}' is not a prefix length from /0 to /32`
    : `'${Base}' is not an IPv4 address`
  : `'${T}' is not an IPv4 address`;
