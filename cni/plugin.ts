import { askAgent } from "./ask-agent.ts";
import { answerVersion, parseAgentCall, parseCommand, parseConfig, parseVersionCall } from "./call.ts";
import { CniFailure, cniErrorCodes } from "./error.ts";
import { supportedVersions } from "./versions.ts";

/** What a run of the plugin leaves: the text for stdout and the exit status. */
export interface PluginOutcome {
  readonly stdout: string;
  readonly exitCode: 0 | 1;
}

/**
 * One call of the CNI plugin (CNI specification, section 2): checks what the runtime gave, passes it on to the node
 * agent and prints its answer. VERSION is answered without the agent.
 *
 * While the agent is down every command but VERSION fails at once, DEL too: a runtime repeats a failed DEL, and the
 * port that a silent success would leave behind stays bound to the pod's address until the agent is back.
 *
 * @param environment the `CNI_*` variables
 * @param readStdin gives the network configuration; rejects with a CniFailure (5 or 6)
 */
export async function runPlugin(
  environment: Readonly<Record<string, string | undefined>>,
  readStdin: () => Promise<string>,
): Promise<PluginOutcome> {
  let config: Readonly<Record<string, unknown>> | undefined;
  try {
    const command = parseCommand(environment);
    const stdin = await readStdin();
    if (command === "VERSION") {
      const { cniVersion } = parseVersionCall(stdin);
      return { stdout: print({ cniVersion, supportedVersions }), exitCode: 0 };
    }
    config = parseConfig(stdin);
    const call = parseAgentCall(command, environment, config);
    const answer = await askAgent(call);
    if ("error" in answer) return { stdout: print({ ...answer.error, cniVersion: call.cniVersion }), exitCode: 1 };
    return { stdout: answer.result ? print(answer.result) : "", exitCode: 0 };
  } catch (error) {
    const failure =
      error instanceof CniFailure
        ? error
        : new CniFailure(
            cniErrorCodes.invalidAnswer,
            "the plugin failed",
            error instanceof Error ? error.stack : String(error),
          );
    return { stdout: print(failure.toBody(answerVersion(config))), exitCode: 1 };
  }
}

function print(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
