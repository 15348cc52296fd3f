import type { IncomingMessage, ServerResponse } from "node:http";
import { parseDeleteOptions, remove } from "./delete.ts";
import type { Authenticator, User } from "./http/authentication.ts";
import { decodeBody, mediaType, parseJson, readBody } from "./http/body.ts";
import { parseResourcePath, type ResourcePath, segmentsOf } from "./http/path.ts";
import { asYaml, failure, json, jsonText, plainText, type Reply, send } from "./http/reply.ts";
import { isObject, type JsonObject } from "./object.ts";
import { patch } from "./patch.ts";
import type { Resource } from "./resource.ts";
import { review } from "./review.ts";
import {
  aggregatedDiscovery,
  apiGroupList,
  apiGroupNamed,
  apiResourceList,
  apiVersions,
  subresourcesOf,
  version,
} from "./serve/discovery.ts";
import { type Form, negotiate } from "./serve/form.ts";
import { readList, revisionOf, scopeOf } from "./serve/list.ts";
import { openapiDocument, openapiIndex } from "./serve/openapi.ts";
import { renderList, renderOne } from "./serve/render.ts";
import type { IncludeObject } from "./serve/table.ts";
import type { WatchHub } from "./serve/watch.ts";
import { ApiError, badRequest, methodNotAllowed, unknownResource } from "./status.ts";
import { bind, evict, finalize, type PodLog, readLog, readScale, writeScale } from "./subresources.ts";
import { type Api, create, entryNamed, update, type WriteOptions } from "./write.ts";

export interface HandlerOptions {
  readonly api: Api;
  readonly watches: WatchHub;
  readonly authenticate: Authenticator;
  /** `host:port` under which clients reach the server. */
  readonly address: string;
  readonly podLog: PodLog | undefined;
  readonly ready: () => boolean;
  readonly log: (fields: object, message: string) => void;
}

/** A watch writes its answer itself. */
type Answer = Reply | "watching";

const minWatchSeconds = 1800;

function writeOptionsOf(query: URLSearchParams): WriteOptions & { readonly force: boolean } {
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  if (dryRun.some((value) => value !== "All"))
    throw badRequest(`invalid dryRun ${JSON.stringify(dryRun)}: only "All" is supported`);
  const validation = query.get("fieldValidation") ?? "Warn";
  if (validation !== "Ignore" && validation !== "Warn" && validation !== "Strict") {
    throw badRequest(`invalid fieldValidation ${JSON.stringify(validation)}`);
  }
  return {
    dryRun: dryRun.length > 0,
    fieldManager: query.get("fieldManager") || undefined,
    fieldValidation: validation,
    force: query.get("force") === "true",
  };
}

function includeOf(query: URLSearchParams): IncludeObject {
  const include = query.get("includeObject") ?? "Metadata";
  if (include !== "None" && include !== "Metadata" && include !== "Object")
    throw badRequest(`invalid includeObject ${JSON.stringify(include)}`);
  return include;
}

const noQuery = new URLSearchParams();

export function createHandler(options: HandlerOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const { api, watches } = options;
  const { registry, store } = api;

  /** Paths that need no authentication, and everything that isn't a resource. */
  function openPath(path: string): Reply | undefined {
    switch (path) {
      case "/healthz":
      case "/livez":
        return plainText(200, "ok");
      case "/readyz":
        return options.ready() ? plainText(200, "ok") : plainText(500, "not ready");
      case "/version":
      case "/version/":
        return json(200, version);
      default:
        return undefined;
    }
  }

  function documentAt(segments: readonly string[], accept: string): Reply | undefined {
    const [root, group, groupVersion] = segments;
    const aggregated = /g=apidiscovery\.k8s\.io;v=(v2beta1|v2)\b|v=(v2beta1|v2);g=apidiscovery/.exec(accept);
    if ((root === "api" || root === "apis") && segments.length === 1) {
      if (aggregated !== null) {
        const wanted = aggregated[1] ?? aggregated[2] ?? "v2";
        return {
          ...json(200, aggregatedDiscovery(registry, root === "api", wanted)),
          contentType: `application/json;g=apidiscovery.k8s.io;v=${wanted};as=APIGroupDiscoveryList`,
        };
      }
      return json(200, root === "api" ? apiVersions(options.address) : apiGroupList(registry));
    }
    if (root === "api" && segments.length === 2) return found(apiResourceList(registry, "", group ?? ""));
    if (root === "apis" && segments.length === 2) return found(apiGroupNamed(registry, group ?? ""));
    if (root === "apis" && segments.length === 3)
      return found(apiResourceList(registry, group ?? "", groupVersion ?? ""));
    if (root !== "openapi") return undefined;
    if (segments[1] === "v3" && segments.length === 2) return json(200, openapiIndex(registry));
    if (segments[1] === "v3" && segments[2] === "api") return found(openapiDocument(registry, "", segments[3] ?? ""));
    if (segments[1] === "v3") return found(openapiDocument(registry, segments[3] ?? "", segments[4] ?? ""));
    if (segments[1] !== "v2") return undefined;
    if (accept.includes("protobuf")) {
      // No byte at all is a valid, empty protobuf document: clients then find no schema and don't validate.
      return { code: 200, text: "", contentType: "application/octet-stream" };
    }
    return json(200, {
      swagger: "2.0",
      info: { title: "Ovenbird lab", version: version.gitVersion },
      paths: {},
      definitions: {},
    });
  }

  function found(document: object | undefined): Reply {
    if (document === undefined) throw unknownResource();
    return json(200, document);
  }

  function watchOrList(
    response: ServerResponse,
    resource: Resource,
    path: ResourcePath,
    query: URLSearchParams,
    form: Form,
  ): Answer {
    const { namespace } = path;
    if (path.name !== undefined) query.set("fieldSelector", `metadata.name=${path.name}`);
    const scope = scopeOf(resource, namespace, query);
    if (!path.watch && query.get("watch") !== "true" && query.get("watch") !== "1") {
      const { entries, metadata } = readList(store, resource, scope, query);
      return jsonText(200, renderList(resource, entries, metadata, form, includeOf(query)));
    }
    const timeout = query.get("timeoutSeconds") ?? "0";
    if (!/^\d{1,9}$/.test(timeout)) throw badRequest(`invalid timeoutSeconds ${JSON.stringify(timeout)}`);
    const initial = query.get("sendInitialEvents");
    if (initial !== null && query.get("resourceVersionMatch") !== "NotOlderThan") {
      throw new ApiError("Invalid", 'sendInitialEvents requires setting resourceVersionMatch to "NotOlderThan"');
    }
    watches.start(
      {
        resource,
        scope,
        form,
        include: includeOf(query),
        revision: revisionOf(query),
        // Spread over twice the minimum, so that watches that began together don't end together.
        timeoutMs: (Number(timeout) || minWatchSeconds * (1 + Math.random())) * 1000,
        bookmarks: query.get("allowWatchBookmarks") === "true" || query.get("allowWatchBookmarks") === "1",
        sendInitialEvents: initial === "true",
      },
      response,
    );
    return "watching";
  }

  function deleteCollection(resource: Resource, path: ResourcePath, query: URLSearchParams, body: JsonObject): Reply {
    const deletion = parseDeleteOptions(body, query);
    const { entries, metadata } = readList(store, resource, scopeOf(resource, path.namespace, query), query);
    const answered = entries.map((entry) => remove(api, resource, entry, deletion).entry);
    return jsonText(200, renderList(resource, answered, metadata, { kind: "object", yaml: false }, "Metadata"));
  }

  function deleteOne(
    resource: Resource,
    path: ResourcePath,
    name: string,
    query: URLSearchParams,
    body: JsonObject,
    form: Form,
  ): Reply {
    const before = entryNamed(resource, path.namespace, name);
    const { entry, gone } = remove(api, resource, before, parseDeleteOptions(body, query));
    if (!gone || resource.returnsDeleted === true)
      return jsonText(200, renderOne(resource, entry, form, includeOf(query)));
    const details = {
      name,
      ...(resource.group === "" ? {} : { group: resource.group }),
      kind: resource.plural,
      uid: entry.uid,
    };
    return json(200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
  }

  function subresource(
    request: IncomingMessage,
    resource: Resource,
    path: ResourcePath,
    name: string,
    query: URLSearchParams,
    body: Buffer,
  ): Answer | Promise<Answer> | undefined {
    const { method } = request;
    const namespace = path.namespace ?? "";
    const content = () => decodeBody(request.headers["content-type"], body);
    switch (path.subresource) {
      case "binding":
        if (method !== "POST") throw methodNotAllowed();
        return json(201, bind(api, resource, namespace, name, content(), writeOptionsOf(query).dryRun));
      case "eviction":
        if (method !== "POST") throw methodNotAllowed();
        return json(201, evict(api, resource, namespace, name, content()));
      case "finalize":
        if (method !== "PUT") throw methodNotAllowed();
        return json(200, finalize(api, resource, name, content()));
      case "log":
        if (method !== "GET") throw methodNotAllowed();
        return readLog(resource, namespace, name, query, options.podLog).then((text) => plainText(200, text));
      case "scale":
        if (method === "GET") return json(200, readScale(resource, path.namespace, name));
        if (method !== "PUT" && method !== "PATCH") throw methodNotAllowed();
        if (method === "PATCH" && !mediaType(request.headers["content-type"]).includes("merge-patch")) {
          throw new ApiError("UnsupportedMediaType", "only merge patches are accepted for scale");
        }
        return json(
          200,
          writeScale(
            api,
            resource,
            path.namespace,
            name,
            asObject(method === "PUT" ? content() : parseJson(body)),
            writeOptionsOf(query),
          ),
        );
      default:
        return undefined;
    }
  }

  function asObject(value: unknown): JsonObject {
    if (!isObject(value)) throw badRequest("the request body is not an object");
    return value;
  }

  /** A request for a resource, its body read. Runs in one go: nothing interleaves with its read and its write. */
  function answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: ResourcePath,
    query: URLSearchParams,
    body: Buffer,
    user: User,
  ): Answer | Promise<Answer> {
    const { method } = request;
    const reviewed = review(path, method ?? "", user, () => decodeBody(request.headers["content-type"], body));
    if (reviewed !== undefined) return json(201, reviewed);
    const resource = registry.find(path.group, path.version, path.plural);
    if (resource === undefined) throw unknownResource();
    if (path.namespace !== undefined && !resource.namespaced) throw unknownResource();
    const { name } = path;
    if (path.watch && method === "GET")
      return watchOrList(response, resource, path, query, negotiate(request.headers.accept));
    if (name === undefined) {
      switch (method) {
        case "GET":
          return watchOrList(response, resource, path, query, negotiate(request.headers.accept));
        case "POST": {
          if (resource.namespaced && path.namespace === undefined) throw methodNotAllowed();
          const form = negotiate(request.headers.accept);
          const { entry, warnings } = create(
            api,
            resource,
            path.namespace,
            decodeBody(request.headers["content-type"], body),
            writeOptionsOf(query),
          );
          return jsonText(201, renderOne(resource, entry, form, includeOf(query)), warnings);
        }
        case "DELETE":
          if (resource.namespaced && path.namespace === undefined) throw methodNotAllowed();
          return deleteCollection(
            resource,
            path,
            query,
            body.length === 0 ? {} : decodeBody(request.headers["content-type"], body),
          );
        default:
          throw methodNotAllowed();
      }
    }
    if (resource.namespaced && path.namespace === undefined) throw unknownResource();
    if (path.subresource !== undefined) {
      if (!subresourcesOf(resource).includes(path.subresource)) throw unknownResource();
      const special = subresource(request, resource, path, name, query, body);
      if (special !== undefined) return special;
    }
    const form = negotiate(request.headers.accept);
    const target = { namespace: path.namespace, name, subresource: path.subresource };
    switch (method) {
      case "GET": {
        if (query.get("watch") === "true") return watchOrList(response, resource, path, query, form);
        return jsonText(200, renderOne(resource, entryNamed(resource, path.namespace, name), form, includeOf(query)));
      }
      case "PUT": {
        const { entry, warnings } = update(
          api,
          resource,
          target,
          decodeBody(request.headers["content-type"], body),
          writeOptionsOf(query),
        );
        return jsonText(200, renderOne(resource, entry, form, includeOf(query)), warnings);
      }
      case "PATCH": {
        const { entry, warnings, created } = patch(
          api,
          resource,
          target,
          request.headers["content-type"],
          body,
          writeOptionsOf(query),
        );
        return jsonText(created ? 201 : 200, renderOne(resource, entry, form, includeOf(query)), warnings);
      }
      case "DELETE":
        if (path.subresource !== undefined) throw methodNotAllowed();
        return deleteOne(
          resource,
          path,
          name,
          query,
          body.length === 0 ? {} : decodeBody(request.headers["content-type"], body),
          form,
        );
      default:
        throw methodNotAllowed();
    }
  }

  function finish(response: ServerResponse, result: Answer, accept: string | undefined): void {
    if (result === "watching") return;
    const yaml = accept?.startsWith("application/yaml") === true && result.contentType === "application/json";
    store.whenCommitted(() => {
      if (!response.destroyed) send(response, yaml ? asYaml(result) : result);
    });
  }

  function run(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    path: ResourcePath,
    query: URLSearchParams,
    user: User,
  ): void {
    const fail = (error: unknown) => {
      if (!(error instanceof ApiError))
        options.log({ error, method: request.method, url: request.url }, "request failed");
      finish(response, failure(error), undefined);
    };
    try {
      const result = answer(request, response, path, query, body, user);
      if (result instanceof Promise) result.then((reply) => finish(response, reply, undefined), fail);
      else finish(response, result, request.headers.accept);
    } catch (error) {
      fail(error);
    }
  }

  return (request, response) => {
    const { url = "/", method } = request;
    const mark = url.indexOf("?");
    const pathText = mark < 0 ? url : url.slice(0, mark);
    try {
      const open = openPath(pathText);
      if (open !== undefined) return send(response, open);
      const user = options.authenticate(request);
      if (user === undefined) throw new ApiError("Unauthorized", "Unauthorized");
      const segments = segmentsOf(pathText);
      const document = documentAt(segments, request.headers.accept ?? "");
      if (document !== undefined) {
        if (method !== "GET" && method !== "HEAD") throw methodNotAllowed();
        return finish(response, document, undefined);
      }
      const path = parseResourcePath(segments);
      if (path === undefined)
        return send(
          response,
          segments.length === 0
            ? json(200, {
                paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
              })
            : plainText(404, "404 page not found\n"),
        );
      const query = mark < 0 ? new URLSearchParams(noQuery) : new URLSearchParams(url.slice(mark + 1));
      if (method === "GET") return run(request, response, Buffer.alloc(0), path, query, user);
      readBody(request, (error, body) => {
        if (error !== undefined) finish(response, failure(error), undefined);
        else run(request, response, body, path, query, user);
      });
    } catch (error) {
      finish(response, failure(error), undefined);
      request.resume();
    }
  };
}
