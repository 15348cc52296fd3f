import { describe, expect, it } from "vitest";
import { cases } from "../policies/cases/all.ts";
import { createEvaluator, type Question } from "../policies/evaluator.ts";
import type { Protocol } from "../policies/parties.ts";
import { paperPlaces, worldOf } from "../policies/scene.ts";

/** The evaluator that the wire and the rows are compared with says what the specifications say, line by line. */

function question(text: string): Question {
  const [from = "", , to = "", protocol = "", port] = text.split(" ");
  return {
    ...{ from, to, family: "ipv4", protocol: protocol as Protocol },
    port: port === undefined ? undefined : Number(port),
  };
}

describe("what must pass", () => {
  it.each(cases)("$name", (picked) => {
    const evaluator = createEvaluator(worldOf(picked, paperPlaces));
    const verdicts = (texts: readonly string[]) =>
      texts.map((text) => {
        const answers = evaluator.answer(question(text));
        const [answer] = answers;
        return `${text}: ${answers.length === 1 && answer !== undefined ? answer.allowed : `${answers.length} answers`}`;
      });
    expect(verdicts(picked.passes)).toEqual(picked.passes.map((text) => `${text}: true`));
    expect(verdicts(picked.drops)).toEqual(picked.drops.map((text) => `${text}: false`));
  });

  it("is told with its reason", () => {
    const denied = cases.find(({ name }) => name.startsWith("an AdminNetworkPolicy denies"));
    const evaluator = createEvaluator(worldOf(denied ?? { policies: [] }, paperPlaces));
    const [answer] = evaluator.answer(question("bank/api > shop/db tcp 8080"));
    expect(answer?.reasons).toEqual(["nothing is against it for egress", "AdminNetworkPolicy/deny ingress[0] deny"]);
  });
});
