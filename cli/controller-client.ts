import type { ApiError } from "@ovenbird/controller";
import { CliError } from "./cli-error.ts";

/** Asks the controller that leads. */
export interface ControllerClient {
  /** @param path below `/v1`, beginning with a slash. @throws CliError CONTROLLER_UNREACHABLE, REFUSED, UNEXPECTED_ANSWER */
  get(path: string, query?: Readonly<Record<string, string | undefined>>): Promise<unknown>;
  /** @throws CliError as `get` */
  post(path: string, body: unknown): Promise<unknown>;
}

/** A plan over a large cluster takes its time. */
const timeoutMs = 60_000;

function errorIn(body: unknown): ApiError["error"] | undefined {
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  const isError =
    typeof error === "object" &&
    error !== null &&
    "code" in error &&
    typeof error.code === "string" &&
    "message" in error &&
    typeof error.message === "string";
  return isError ? (error as ApiError["error"]) : undefined;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message || String(error.cause) : undefined;
  return cause === undefined || cause === "" ? error.message : cause;
}

/**
 * @param urls where controllers are, in the order in which they are asked: one that stands by, or doesn't answer, is passed by
 */
export function createControllerClient(urls: readonly string[]): ControllerClient {
  async function ask(url: URL, init: RequestInit): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
    const text = await response.text();
    try {
      return { status: response.status, body: JSON.parse(text) };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new CliError(
        "UNEXPECTED_ANSWER",
        `${url.origin} answers ${response.status} without JSON: is it Ovenbird's controller?`,
      );
    }
  }

  async function askAny(path: string, init: RequestInit): Promise<unknown> {
    const reasons: string[] = [];
    for (const base of urls) {
      const url = new URL(`${base.replace(/\/+$/, "")}/v1${path}`);
      let answer: Awaited<ReturnType<typeof ask>>;
      try {
        answer = await ask(url, init);
      } catch (error) {
        if (error instanceof CliError) throw error;
        reasons.push(`${url.origin}: ${reasonOf(error)}`);
        continue;
      }
      const error = errorIn(answer.body);
      if (error === undefined && answer.status === 200) return answer.body;
      if (error?.code === "NOT_LEADING") {
        reasons.push(`${url.origin}: ${error.message}`);
        continue;
      }
      if (error !== undefined) throw new CliError("REFUSED", `${error.code}: ${error.message}`);
      throw new CliError("UNEXPECTED_ANSWER", `${url.origin} answers ${answer.status}: is it Ovenbird's controller?`);
    }
    throw new CliError(
      "CONTROLLER_UNREACHABLE",
      `no leading controller answers (${reasons.join("; ")}); say where it is with --controller or OVENBIRD_CONTROLLER`,
    );
  }

  return {
    get(path, query = {}) {
      const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
      const search = new URLSearchParams(given).toString();
      return askAny(search === "" ? path : `${path}?${search}`, {});
    },
    post: (path, body) =>
      askAny(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  };
}
