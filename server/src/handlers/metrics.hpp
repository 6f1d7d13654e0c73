// Prometheus metrics: requests are counted when answered, everything else when the metrics are read.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <tuple>

#include "http/observer.hpp"
#include "store/store.hpp"

namespace qarax::server {

// Of this program. `revision`: the commit that it was built from, empty where that isn't known.
struct ProgramVersion {
  std::string version;
  std::string revision;
};

class Metrics final : public http::RequestObserver {
 public:
  // Borrows the store.
  Metrics(Store& store, const ProgramVersion& version);

  // Any thread. Labels are bounded: routes are patterns, unknown methods are "other".
  void answered(std::string_view method, std::string_view route, int status, double seconds) override;

  // The metrics in Prometheus' text format.
  std::string text();

 private:
  struct Series {
    prometheus::Counter* requests;
    prometheus::Histogram* seconds;
  };
  struct Key {
    std::string_view method;  // a string literal
    std::string_view route;   // owned by the router
    int status;
    bool operator<(const Key& other) const {
      return std::tie(route, status, method) < std::tie(other.route, other.status, other.method);
    }
  };
  Series series(const Key& key);

  Store& store_;
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Gauge>& vms_;
  prometheus::Family<prometheus::Gauge>& hosts_;
  prometheus::Gauge& drift_;
  prometheus::Gauge& jobs_;
  prometheus::Family<prometheus::Counter>& ended_;
  prometheus::Gauge& ready_;
  prometheus::Gauge& read_only_;
  prometheus::Gauge& resident_;
  prometheus::Gauge& descriptors_;
  std::mutex telling_;  // held by text(): one reader at a time
  std::shared_mutex mutex_;
  std::map<Key, Series> known_;
};

}  // namespace qarax::server
