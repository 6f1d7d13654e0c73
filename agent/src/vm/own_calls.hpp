// The plugin calls that a VM's strand makes for no command: a recovery, a look, a question how its VMM ended. A
// force-stop or a delete cancels them. If one hangs, the VM is reported as unknown. Private to the manager.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "driver_calls.hpp"
#include "reports.hpp"
#include "timers.hpp"

namespace qarax::agent {

// The references outlive the object, which outlives its calls and what it has given to the timers.
class OwnCalls {
 public:
  // `grace_ms`: from a call's deadline until its VM is reported as unknown.
  OwnCalls(Reports& reports, Timers& timers, std::int64_t grace_ms)
      : reports_(reports), timers_(timers), grace_ms_(grace_ms) {}

  // Made and destroyed on the VM's strand, around the plugin call; takes the VM's admission_mutex, and holds no lock in
  // between. A strand has one at a time.
  class OwnCall {
   public:
    OwnCall(OwnCalls& calls, std::shared_ptr<Vm> vm, std::int64_t limit_ms);
    ~OwnCall();
    OwnCall(const OwnCall&) = delete;
    OwnCall& operator=(const OwnCall&) = delete;
    DriverCall call() const;

   private:
    OwnCalls& calls_;
    const std::shared_ptr<Vm> vm_;
    const std::shared_ptr<const Cancel> cancel_ = std::make_shared<Cancel>();
    const std::int64_t deadline_ns_;
    Timers::Handle late_;
  };
  [[nodiscard]] OwnCall begin(std::shared_ptr<Vm> vm, std::int64_t limit_ms) {
    return OwnCall(*this, std::move(vm), limit_ms);
  }

 private:
  void doubt(const std::shared_ptr<Vm>& vm, const std::shared_ptr<const Cancel>& call);

  Reports& reports_;
  Timers& timers_;
  const std::int64_t grace_ms_;
};

}  // namespace qarax::agent
