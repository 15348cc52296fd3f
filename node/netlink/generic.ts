import { NetlinkError } from "./error.ts";
import { message, NLM_F_ACK, NLM_F_REQUEST, text } from "./message.ts";
import { openGenericSocket } from "./socket.ts";

const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_NAME = 2;
const controlVersion = 1;

/**
 * Whether the kernel has a family of generic netlink, such as `ovs_datapath`. A family of a module that is not loaded
 * yet makes the kernel load it (linux/net/netlink/genetlink.c, `ctrl_getfamily`).
 * @throws {NetlinkError} whatever else than ENOENT the kernel answers
 */
export function hasGenericFamily(name: string): boolean {
  using socket = openGenericSocket();
  const header = Buffer.from([CTRL_CMD_GETFAMILY, controlVersion, 0, 0]);
  try {
    socket.request(
      `look for the kernel's ${name}`,
      message(GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK, header, [text(CTRL_ATTR_FAMILY_NAME, name)]),
    );
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return false;
    throw error;
  }
}
