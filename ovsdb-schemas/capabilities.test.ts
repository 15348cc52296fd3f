import { readFileSync } from "node:fs";
import { parseSchema } from "ovsdb-client-ts";
import { describe, expect, it } from "vitest";
import { northboundCapabilities, openVswitchCapabilities, southboundCapabilities } from "./capabilities.ts";

const table = (columns: Record<string, unknown>) => ({ columns });
const schema = (tables: Record<string, unknown>) => parseSchema({ name: "OVN_Northbound", version: "7.0.0", tables });

describe("capabilities", () => {
  it("of an old northbound schema lack what came later", () => {
    const old = northboundCapabilities(
      schema({
        ACL: table({ action: { type: { key: { type: "string", enum: ["set", ["allow", "drop"]] } } } }),
        NAT: table({ external_port_range: { type: "string" } }),
      }),
    );
    expect(old).toMatchObject({
      aclTiers: false,
      aclPass: false,
      natMatch: false,
      natPortRange: true,
      chassisTemplateVariables: false,
    });
  });

  it("of a newer northbound schema have it", () => {
    const newer = northboundCapabilities(
      schema({
        ACL: table({
          action: { type: { key: { type: "string", enum: ["set", ["allow", "drop", "pass"]] } } },
          tier: { type: "integer" },
        }),
        NAT: table({ match: { type: "string" } }),
        Chassis_Template_Var: table({ chassis: { type: "string" } }),
      }),
    );
    expect(newer).toMatchObject({ aclTiers: true, aclPass: true, natMatch: true, chassisTemplateVariables: true });
  });

  it("are read from the schema, not from a version number", () => {
    const named = parseSchema({ name: "OVN_Northbound", version: "99.0.0", tables: {} });
    expect(Object.values(northboundCapabilities(named))).not.toContain(true);
    expect(Object.values(southboundCapabilities(named))).not.toContain(true);
    expect(Object.values(openVswitchCapabilities(named))).not.toContain(true);
  });

  it("of the installed databases are found", () => {
    const installed = (path: string) => parseSchema(JSON.parse(readFileSync(path, "utf8")));
    expect(northboundCapabilities(installed("/usr/share/ovn/ovn-nb.ovsschema"))).toMatchObject({
      natPortRange: true,
      loadBalancerGroups: true,
      chassisTemplateVariables: true,
      staticMacBindings: true,
    });
    expect(southboundCapabilities(installed("/usr/share/ovn/ovn-sb.ovsschema"))).toMatchObject({
      portBindingUp: true,
      requestedChassis: true,
      chassisPrivate: true,
    });
    expect(openVswitchCapabilities(installed("/usr/share/openvswitch/vswitch.ovsschema")).datapathCapabilities).toBe(
      true,
    );
  });
});
