import { spawn } from "node:child_process";

export class CommandError extends Error {
  readonly code = "COMMAND_FAILED";
  readonly exitCode: number | undefined;
  readonly stdout: string;
  constructor(command: readonly string[], exitCode: number | undefined, stderr: string, stdout = "") {
    super(`${command.join(" ")} failed (${exitCode ?? "killed"}): ${stderr.trim()}`);
    this.name = "CommandError";
    this.exitCode = exitCode;
    this.stdout = stdout;
  }
}

/** Where Debian keeps the network commands; a user's PATH often lacks it. */
export const systemPath = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;

/**
 * Runs a command to its end and gives its standard output.
 * @throws CommandError when it can't be started or exits with another status than 0, with what it said on stderr
 */
export function run(
  command: readonly string[],
  options: {
    readonly input?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs?: number;
  } = {},
): Promise<string> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, PATH: systemPath, ...options.env },
      stdio: "pipe",
      timeout: options.timeoutMs ?? 30_000,
      killSignal: "SIGKILL",
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", (error) => reject(new CommandError(command, undefined, error.message)));
    child.on("close", (exitCode) => {
      if (exitCode === 0) resolve(Buffer.concat(stdout).toString());
      else
        reject(
          new CommandError(
            command,
            exitCode ?? undefined,
            Buffer.concat(stderr).toString(),
            Buffer.concat(stdout).toString(),
          ),
        );
    });
    // A program that ends without reading its input is judged by its exit status, not by the broken pipe.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}
