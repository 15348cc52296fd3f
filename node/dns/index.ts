export { type AnswerResult, createDnsObserver, type DnsMetrics, type DnsObserver } from "./dns-observer.ts";
