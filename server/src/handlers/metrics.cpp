#include "handlers/metrics.hpp"

#include <dirent.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <mutex>

#include "qarax/core/enum_name.hpp"

namespace qarax::server {

namespace {

std::string_view known_method(std::string_view method) {
  for (const std::string_view one : {"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"})
    if (one == method) return one;
  return "other";
}

const prometheus::Histogram::BucketBoundaries& buckets() {
  static const prometheus::Histogram::BucketBoundaries bounds{0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05,
                                                              0.1,    0.5,    1,     5,     10,   60};
  return bounds;
}

double resident_bytes() {
  long pages = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "re")) {
    long total = 0;
    if (std::fscanf(file, "%ld %ld", &total, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  int count = 0;
  if (DIR* folder = ::opendir("/proc/self/fd")) {
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
  }
  return count - 3;  // not counted: ".", ".." and the descriptor of the folder itself
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

Metrics::Metrics(Store& store, const ProgramVersion& version)
    : store_(store),
      requests_(prometheus::BuildCounter()
                    .Name("qarax_http_requests_total")
                    .Help("Requests answered, by route pattern.")
                    .Register(registry_)),
      seconds_(prometheus::BuildHistogram()
                   .Name("qarax_http_request_seconds")
                   .Help("From the complete request to the reply, by route pattern.")
                   .Register(registry_)),
      vms_(prometheus::BuildGauge().Name("qarax_vms").Help("VMs by status.").Register(registry_)),
      hosts_(prometheus::BuildGauge().Name("qarax_hosts").Help("Hosts by status.").Register(registry_)),
      drift_(gauge(registry_, "qarax_vms_drift", "VMs that aren't what they shall be, with no job at work on that.")),
      jobs_(gauge(registry_, "qarax_jobs_running", "Jobs that are not finished.")),
      ended_(prometheus::BuildCounter()
                 .Name("qarax_jobs_ended_total")
                 .Help("Jobs that came to their end since the server's start, by action and state.")
                 .Register(registry_)),
      ready_(gauge(registry_, "qarax_store_ready", "1: the database takes changes.")),
      read_only_(
          gauge(registry_, "qarax_read_only", "1: changes are refused until hosts are adopted, heard or forgotten.")),
      resident_(gauge(registry_, "process_resident_memory_bytes", "Resident memory.")),
      descriptors_(gauge(registry_, "process_open_fds", "Open descriptors.")) {
  prometheus::Labels labels{{"version", version.version}};
  if (!version.revision.empty()) labels.emplace("revision", version.revision);
  prometheus::BuildGauge()
      .Name("qarax_build_info")
      .Help("1, with the version and the commit that it was built from.")
      .Register(registry_)
      .Add(labels)
      .Set(1);
}

Metrics::Series Metrics::series(const Key& key) {
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
  }
  const std::unique_lock lock(mutex_);
  const std::string method(key.method);
  const std::string route(key.route.empty() ? "none" : key.route);
  const Series made{&requests_.Add({{"method", method}, {"route", route}, {"code", std::to_string(key.status)}}),
                    &seconds_.Add({{"method", method}, {"route", route}}, buckets())};
  return known_.emplace(key, made).first->second;
}

void Metrics::answered(std::string_view method, std::string_view route, int status, double seconds) {
  const Series one = series({known_method(method), route, status});
  one.requests->Increment();
  one.seconds->Observe(seconds);
}

std::string Metrics::text() {
  // Before the lock: check() may wait for a commit whose outcome isn't known, and must not keep other callers from
  // reporting that the store isn't ready.
  const bool ready = store_.check().ok();
  const std::lock_guard one_at_a_time(telling_);
  std::array<int, std::size(EnumNames<VmState>::kNames)> vms{};
  int drift = 0;
  for (const VmPtr& vm : store_.vms()) {
    ++vms[static_cast<std::size_t>(vm->observed.status.state)];
    drift += drifts(*vm) ? 1 : 0;
  }
  drift_.Set(drift);
  for (std::size_t i = 0; i < vms.size(); ++i)
    vms_.Add({{"status", std::string(EnumNames<VmState>::kNames[i])}}).Set(vms[i]);
  std::array<int, std::size(EnumNames<HostStatus>::kNames)> hosts{};
  for (const HostPtr& host : store_.hosts()) ++hosts[static_cast<std::size_t>(host->status)];
  for (std::size_t i = 0; i < hosts.size(); ++i)
    hosts_.Add({{"status", std::string(EnumNames<HostStatus>::kNames[i])}}).Set(hosts[i]);
  jobs_.Set(static_cast<double>(store_.unfinished_jobs().size() + store_.unfinished_host_jobs().size()));
  for (const auto& [end, count] : store_.job_book().ends()) {
    auto& counter = ended_.Add({{"action", end.first}, {"state", std::string(core::enum_name(end.second))}});
    counter.Increment(static_cast<double>(count) - counter.Value());
  }
  ready_.Set(ready ? 1 : 0);
  read_only_.Set(store_.read_only().empty() ? 0 : 1);
  resident_.Set(resident_bytes());
  descriptors_.Set(open_descriptors());
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace qarax::server
