import { defineConfig } from "vitest/config";

/** What passes is compared with what should, without a look at the clock: two labs at a time are well. */
const tables = ["test/e2e/policies{,-chance}.test.ts", "test/e2e/tenants/policies.test.ts"];

/**
 * Five projects, run one after another by `npm test`:
 * `architecture` reads the tree, `unit` lies beside the code, `integration` starts real database servers,
 * `tables` and `e2e` build labs and send real packets, the latter one at a time, so that it has the machine for itself.
 */
export default defineConfig({
  test: {
    reporters: ["default"],
    projects: [
      {
        test: {
          name: "architecture",
          include: ["test/{architecture,documents}/**/*.test.ts"],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "unit",
          include: ["{ovsdb-client-ts,ovsdb-schemas,kube,controller,node,cni,cli,lab}/**/*.test.ts"],
          exclude: ["**/node_modules/**", "**/*.integration.test.ts"],
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "integration",
          include: [
            "{ovsdb-client-ts,ovsdb-schemas,kube,controller,node,cni,cli,lab}/**/*.integration.test.ts",
            "test/{states,integration}/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "tables",
          include: tables,
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          exclude: ["**/node_modules/**", ...tables],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
