import { builtinTypes } from "./builtin-types.generated.ts";

/** A field of a built-in kind, as k8s.io/api declares it. */
export interface Field {
  readonly name: string;
  readonly number: number;
  /** `string`, `int32`, `int64`, `bool`, `bytes`, or a message's name. */
  readonly type: string;
  readonly shape: "single" | "list" | "map";
  /** Its members stand in the JSON of the message that holds it. */
  readonly inline: boolean;
  /** A list that strategic merge patches merge: by this key, or as a set of values. */
  readonly merge: { readonly key: string | undefined } | undefined;
}

export interface Message {
  readonly name: string;
  readonly byNumber: ReadonlyMap<number, Field>;
  /** By JSON name, with the members of inlined messages. */
  readonly byName: ReadonlyMap<string, Field>;
}

const cache = new Map<string, Message>();

function parseField(text: string): Field {
  const [number = "", name = "", type = "", ...flags] = text.split(" ");
  const merge = flags.find((flag) => flag.startsWith("merge"));
  return {
    name,
    number: Number(number),
    type: type.replace(/^(\[\]|\{\})/, ""),
    shape: type.startsWith("[]") ? "list" : type.startsWith("{}") ? "map" : "single",
    inline: flags.includes("inline"),
    merge: merge === undefined ? undefined : { key: merge.split(":")[1] },
  };
}

/** A message by its short name (`core.Pod`); undefined when it isn't a built-in one. */
export function messageNamed(name: string): Message | undefined {
  const known = cache.get(name);
  if (known !== undefined) return known;
  const text = Object.hasOwn(builtinTypes, name) ? builtinTypes[name] : undefined;
  if (text === undefined) return undefined;
  const fields = text === "" ? [] : text.split("; ").map(parseField);
  const byName = fields.flatMap((field): [string, Field][] =>
    field.inline ? [...(messageNamed(field.type)?.byName ?? [])] : [[field.name, field]],
  );
  const message: Message = {
    name,
    byNumber: new Map(fields.map((field) => [field.number, field])),
    byName: new Map(byName),
  };
  cache.set(name, message);
  return message;
}

const packages: Readonly<Record<string, string>> = {
  "": "core",
  apps: "apps",
  "networking.k8s.io": "networking",
  "discovery.k8s.io": "discovery",
  "coordination.k8s.io": "coordination",
  "rbac.authorization.k8s.io": "rbac",
  "events.k8s.io": "events",
  "authorization.k8s.io": "authorization",
  policy: "policy",
  autoscaling: "autoscaling",
};

/** The message of a kind in its version v1; undefined for kinds that aren't built in. */
export function messageOf(group: string, kind: string): Message | undefined {
  if (kind === "DeleteOptions") return messageNamed("meta.DeleteOptions");
  const name = packages[group];
  return name === undefined ? undefined : messageNamed(`${name}.${kind}`);
}
