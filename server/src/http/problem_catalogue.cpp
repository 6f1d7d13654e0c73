#include "http/problem_catalogue.hpp"

#include <array>

namespace qarax::http {
namespace {

constexpr ProblemKind kKinds[] = {
    // Refusals by the HTTP layer itself.
    {"bad-request", 400, "Malformed request", "Send a well-formed HTTP/1.1 request."},
    {"bad-path", 400, "Malformed path",
     "Percent-encode the path once, as UTF-8, without control characters or dot segments."},
    {"bad-query", 400, "Malformed query", "Percent-encode the query as UTF-8 name=value pairs."},
    {"unauthorized", 401, "Credentials missing or wrong", "Send the header 'Authorization: Bearer <token>'."},
    {"forbidden-host", 403, "Foreign Host header",
     "Use localhost or the server's address, or add this name to listen.allowed_hosts in server.yaml."},
    {"forbidden-origin", 403, "Foreign Origin header",
     "A page may use this server through a proxy of its own origin, or by WebSocket: add the page's host, with its "
     "port, to listen.allowed_hosts in server.yaml. There is no CORS."},
    {"route-not-found", 404, "No such route", "GET /api-docs/openapi.json lists the routes."},
    {"method-not-allowed", 405, "Method not allowed on this route",
     "The Allow header lists the methods of this route."},
    {"request-timeout", 408, "Request not received in time", "Send the whole request without pauses."},
    {"body-too-large", 413, "Body over the limit", "Send a smaller body, or raise limits.body in the server's config."},
    {"uri-too-long", 414, "Request target over the limit", "Shorten the path or the query."},
    {"unsupported-media-type", 415, "Unsupported content type", "Send 'Content-Type: application/json'."},
    {"expectation-failed", 417, "Unsupported expectation", "Only 'Expect: 100-continue' is understood."},
    {"upgrade-required", 426, "WebSocket wanted", "Connect with a WebSocket client (RFC 6455, version 13)."},
    {"header-too-large", 431, "Header fields over the limit", "Send fewer or shorter header fields."},
    {"transfer-coding-unsupported", 501, "Unsupported transfer coding",
     "Send Content-Length, or 'Transfer-Encoding: chunked'."},
    {"version-unsupported", 505, "Unsupported HTTP version", "Use HTTP/1.1."},
    {"overloaded", 503, "Server at its limit", "Try again after the time in Retry-After.", 1},
    {"shutting-down", 503, "Server is shutting down", "Try again after the time in Retry-After.", 5},
    {"outcome-unknown", 504, "It is unknown whether the change was made",
     "Look whether the change was made before asking again; with its Idempotency-Key the same request is safe."},
    // Documents.
    {"bad-uuid", 400, "Not a UUID", "Ids are UUIDs such as 6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55."},
    {"bad-json", 400, "Malformed JSON", "Send one well-formed JSON document in UTF-8."},
    {"validation", 422, "Document does not fit the schema", "errors[] names each field and what it takes."},
    {"bad-cursor", 400, "Unknown or expired cursor", "Start the listing again without cursor."},
    {"precondition-failed", 412, "The object has changed", "Read it again and repeat with its present ETag."},
    {"idempotency-key-reused", 422, "Idempotency-Key used for another body", "Use a new key for a new request."},
    {"bad-idempotency-key", 400, "Unusable Idempotency-Key", "Send 1 to 255 visible ASCII characters, such as a UUID."},
    {"idempotency-answer-lost", 409, "Done, and its answer is lost", "GET the job in job_id to see how it ended."},
    {"idempotency-in-progress", 409, "The first request with this key is still running",
     "Repeat the same request later.", 1},
    // Objects and their states.
    {"not-found", 404, "No such object", "The detail names it; GET the list that it would stand in."},
    {"vm-not-found", 404, "No such VM", "GET /vms lists the VMs."},
    {"host-not-found", 404, "No such host", "GET /hosts lists the hosts."},
    {"job-not-found", 404, "No such job",
     "GET /jobs lists the jobs that are kept (jobs.keep, jobs.keep_for in the server's config)."},
    {"snapshot-not-found", 404, "No such snapshot", "GET /vms/{id}/snapshots lists those of a VM."},
    {"boot-source-not-found", 422, "No such boot source",
     "Leave boot_source_id out for the node's default; of a VM that has one, PATCH it to null."},
    {"already-exists", 409, "Exists already", "Use the one that exists, or choose another name or id."},
    {"name-taken", 409, "Name taken", "Choose another name, or use the object that has it."},
    {"host-in-use", 409, "Host has VMs", "GET /vms?host_id= lists them; delete them first."},
    {"wrong-state", 409, "Not possible in this state", "Bring the object into the state that the detail names."},
    {"job-finished", 409, "The job has ended already", "GET the job to see how."},
    {"not-cancellable", 409, "A job of this kind can't be cancelled",
     "Wait until it ends, or request the state that you want instead."},
    {"job-in-progress", 409, "Another job is running on this object", "Wait for the job in job_id.", 1},
    {"conflict", 409, "Overtaken by another change", "Read the object again and repeat.", 1},
    {"plan-changed", 409, "The plan is out of date", "POST without ?plan= for the plan as it is now."},
    {"other-cluster", 409, "The node belongs to another server", "POST /hosts/{id}/adopt takes it over, with a plan."},
    {"other-node", 409, "Another node at the host's address",
     "Give the node its data folder back, or register it as a host of its own."},
    {"node-outdated", 501, "The node is too old for this", "Upgrade qarax-node on that host; its VMs run on."},
    {"cancelled", 409, "Cancelled", "It was undone; repeat the request if it is wanted after all."},
    {"forbidden", 403, "Not permitted", "The detail says what is missing."},
    // Placing and running.
    {"no-host-fits", 422, "No host fits", "errors[] gives every host's reason."},
    {"hypervisor-unavailable", 422, "Hypervisor unavailable",
     "GET /hosts/{id}/plugins shows what each host offers and why not."},
    {"unsupported-by-hypervisor", 422, "Not supported by this hypervisor",
     "GET /hosts/{id}/plugins lists what each hypervisor can do; leave the member out, or name another hypervisor."},
    {"boot-files-missing", 422, "Boot files missing or unreadable",
     "Put the file that the detail names where it says, readable by the node; or set boot.kernel in the node's "
     "config."},
    {"no-boot-source", 422, "Nothing to boot",
     "Set boot.kernel in the node's config; this version has no other boot sources."},
    {"capability-missing", 422, "This hypervisor can't do that",
     "GET /hosts/{id}/plugins lists the interfaces of each hypervisor."},
    {"plugin-refused", 422, "Hypervisor plugin refused by the node",
     "GET /hosts/{id}/plugins has the step and reason."},
    {"quota-exceeded", 429, "Limit reached",
     "Try again after the time in Retry-After, or raise the limit that the detail names.", 1},
    {"resource-exhausted", 503, "Resources exhausted", "Free resources or add a host, then try again.", 5},
    {"not-implemented", 501, "Not implemented", "GET /version and /hosts/{id}/plugins say what this version can do."},
    {"vmm-failed", 502, "The VMM failed", "The detail has the VMM's last words; the VM's console log has the guest's."},
    {"vmm-refused", 502, "The VMM refused", "The detail has the VMM's own words."},
    {"plugin-bug", 502, "The hypervisor plugin broke its contract",
     "Tell the plugin's author; qarax-plugin-check finds it."},
    {"plugin-exception", 502, "The hypervisor plugin failed inside", "Tell the plugin's author what the detail says."},
    {"plugin-hangs", 504, "The hypervisor plugin doesn't answer", "Force-stop and delete work without it."},
    {"supervisor-failed", 502, "The VM's supervisor failed", "qarax-node's log on that host says more."},
    {"stale-revision", 409, "Overtaken by a newer command", "Read the VM again and repeat."},
    {"vmm-silent", 504, "The VMM doesn't answer", "Force-stop and delete work without it."},
    {"vmm-gone", 502, "The VMM ended meanwhile", "GET /vms/{id}/diagnosis has its last words."},
    {"unkillable", 504, "A process of the VM can't be killed",
     "The host's kernel holds it; look at the device it waits for."},
    {"vm-folder-damaged", 502, "The VM's folder on its host is damaged", "Restore it, or delete the VM."},
    {"boot-queue-full", 504, "Too many VMs boot on that host", "Try again later, or start fewer at once."},
    {"interrupted", 503, "The node agent ended meanwhile", "GET the VM to see what is true, then repeat.", 1},
    {"host-path-taken", 502, "Something is in the way on the host", "The detail names it; move it away."},
    {"superseded", 409, "Another action took its place", "GET the VM: the later action decides."},
    {"still-running", 504, "The node still carries it out", "Follow the job in job_id."},
    {"console-closed", 503, "Console not open", "Try again in a moment; the log without follow is there.", 1},
    {"disk-full", 507, "Disk full",
     "Free space on the disk that the detail names, or delete snapshots or VMs, which works meanwhile; then repeat.",
     30},
    {"disk-read-only", 503, "Disk of the host is read-only", "Remount the node's data folder writable.", 30},
    {"disk-broken", 503, "Disk of the host fails", "Look at the host's kernel log.", 60},
    {"host-permission", 502, "The node isn't permitted to", "Check the user and modes that qarax-node runs with."},
    {"host-limit", 503, "A limit of the host is reached", "Raise the limits that qarax-node runs with.", 10},
    {"host-memory", 503, "Host out of memory", "Stop VMs there, or add memory.", 10},
    {"host-file-missing", 502, "A file on the host is missing",
     "The detail says which; reinstall or reconfigure the node."},
    {"node-unauthorized", 503, "Node refuses this server's token",
     "Set node.token in the server's config to what the node's token_sha256 is of.", 30},
    {"stale-term", 503, "Another server is active", "Stop one of the two servers.", 30},
    {"node-protocol", 503, "Node and server don't understand each other", "Upgrade the older of the two.", 60},
    {"node-taken", 409, "The node is another host already",
     "Give a cloned node an identity of its own; delete a host that was registered twice."},
    {"node-unreachable", 503, "Node unreachable", "Check qarax-node on that host; the request can be repeated.", 5},
    {"host-stopping", 503, "The host is being shut down", "Start the VM when its host is back.", 30},
    {"node-recovering", 503, "Node is recovering this VM", "Try again after the time in Retry-After.", 1},
    {"plugin-loading", 503, "Node is loading this plugin",
     "Try again after the time in Retry-After; GET /hosts/{id}/plugins says what it waits for.", 2},
    {"store-unavailable", 503, "Database unavailable", "Check the database that DATABASE_URL names.", 5},
    {"read-only", 503, "Server is read-only",
     "Adopt each host of the detail that has a proof (POST /hosts/{id}/adopt shows the plan first), and bring back or "
     "forget those that weren't heard yet.",
     30},
    {"unavailable", 503, "Temporarily unavailable", "Try again after the time in Retry-After.", 1},
    {"wait-timeout", 504, "The wait timed out", "console_tail has the guest's last words; wait longer with ?timeout=."},
    {"wait-ended", 409, "The VM ended while it was waited for",
     "console_tail has the guest's last words; GET /vms/{id}/diagnosis says more."},
    {"deadline-exceeded", 504, "Not done within the time limit", "The job goes on; follow it by job_id."},
    {"data-loss", 500, "Stored data damaged", "Keep the data folder as it is and look at the server's log."},
    {"internal", 500, "Internal error", "The server's log has the cause under this request_id."},
};

constexpr std::array<std::string_view, 17> kByCode = {
    "internal",            // ok: an error never carries it
    "cancelled",           // cancelled
    "internal",            // unknown
    "validation",          // invalid_argument
    "deadline-exceeded",   // deadline_exceeded
    "not-found",           // not_found
    "already-exists",      // already_exists
    "forbidden",           // permission_denied
    "resource-exhausted",  // resource_exhausted
    "wrong-state",         // failed_precondition
    "conflict",            // aborted
    "validation",          // out_of_range
    "not-implemented",     // unimplemented
    "internal",            // internal
    "unavailable",         // unavailable
    "data-loss",           // data_loss
    "unauthorized",        // unauthenticated
};

const ProblemKind* lookup(std::string_view slug) noexcept {
  for (const ProblemKind& kind : kKinds) {
    if (kind.slug == slug) return &kind;
  }
  return nullptr;
}

}  // namespace

std::span<const ProblemKind> problem_catalogue() noexcept { return kKinds; }

const ProblemKind& problem_kind(std::string_view slug) noexcept {
  const ProblemKind* kind = lookup(slug);
  return kind != nullptr ? *kind : *lookup("internal");
}

bool is_problem_slug(std::string_view slug) noexcept { return lookup(slug) != nullptr; }

std::string_view default_slug(Code code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < kByCode.size() ? kByCode[index] : kByCode[static_cast<std::size_t>(Code::unknown)];
}

}  // namespace qarax::http
