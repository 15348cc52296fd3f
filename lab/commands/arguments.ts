import { type Command, InvalidArgumentError } from "commander";
import { labConfig } from "../topology/layout.ts";

/** The folder in which the user typed the command: `npm run` enters the package's own and keeps the former in INIT_CWD. */
export function userFolder(): string {
  const { npm_lifecycle_event: script, INIT_CWD: from } = process.env;
  return script === "lab" && from !== undefined ? from : process.cwd();
}

/** An option's value that has to be a whole number of that range. @throws InvalidArgumentError with one line in words */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    return value;
  };
}

/** A lab's name. @throws InvalidArgumentError with one line in words */
export function labName(text: string): string {
  const read = labConfig.shape.name.safeParse(text);
  if (!read.success) throw new InvalidArgumentError(`${read.error.issues[0]?.message ?? "It is no name of a lab"}.`);
  return read.data;
}

/**
 * What is wrong with the first word of a command line, before the default command takes it for an argument of its own.
 * @param words the command line without the interpreter and the script
 */
export function unknownCommand(program: Command, words: readonly string[]): string | undefined {
  const names = program.commands.map((command) => command.name());
  const [first] = words;
  if (first === undefined || first.startsWith("-") || first === "help" || names.includes(first)) return undefined;
  return `there is no command ${first}: say ${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
