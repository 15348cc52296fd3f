/** Which node answers for each address of a pool on the underlay: heartbeats, election, announcements. */
export { type Announcer, type AnnouncerMetrics, type AnnouncerOptions, createAnnouncer } from "./announcer.ts";
export { sendAnnouncement } from "./send-announcement.ts";
