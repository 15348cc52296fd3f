import { policyLayout } from "../../../controller/translate/policy-layout.ts";
import { describeLayout } from "./differences.ts";

describeLayout("bands of priorities", policyLayout({ aclTiers: false, aclPass: false }));
