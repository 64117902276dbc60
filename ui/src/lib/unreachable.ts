/** Ends a switch that has a case for everything; the compiler refuses it where one is missing. */
export function unreachable(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
