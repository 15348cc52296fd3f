import { policyLayout } from "../../../controller/translate/policy-layout.ts";
import { describeLayout } from "./differences.ts";

describeLayout("tiers", policyLayout({ aclTiers: true, aclPass: true }));
