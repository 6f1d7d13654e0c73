// The part of class Qemu that writes snapshots and restores them. QEMU writes and reads its migration stream through a
// descriptor passed to it and never opens a file of the host for that.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "first_run.hpp"
#include "hotplug.hpp"
#include "qemu.hpp"
#include "snapshot_files.hpp"
#include "vmm_life.hpp"

namespace qarax::qemu {

// What is done for the guest once its stream has ended or failed.
struct AfterStream {
  const plugin::Call& call;
  std::optional<std::int64_t> cancelled_until_ns{};  // for all steps together; unset: the call wasn't cancelled yet
};

namespace {

constexpr int kStreamMs = 24 * 3600 * 1000;  // a formality: the call's deadline comes first
constexpr const char* kStream = "snapshot";  // the descriptor's name in QEMU
constexpr int kLastTryMs = 1'000;            // what each step of the putting right gets, though its time is up

// Refuses hot-plugged devices: the machine that a restore builds doesn't have them, so it couldn't load the stream.
Status nothing_plugged(const VmArgs& vm, const Handle& handle) {
  const auto refuse = [&](const std::string& what) {
    return make_error(Code::failed_precondition,
                      "VM " + vm.vm + " can't be snapshotted with " + what + " attached; detach it first",
                      "wrong-state");
  };
  for (const DiskSpec& disk : handle.disks)
    if (!disk.readonly) return refuse("the writable disk " + disk.id);
  for (const DiskSpec& disk : handle.disks) return refuse("the disk " + disk.id);
  for (const NicSpec& nic : handle.nics) return refuse("the NIC " + nic.id);
  return Ok{};
}

std::string stream_status(const json::Value& said) {
  const auto* status = said.find("status");
  return status != nullptr && status->as_string() != nullptr ? *status->as_string() : std::string();
}

// Reports QEMU's own count of the memory that it has written.
void tell_written(const plugin::Call& call, const json::Value& said) {
  const auto* ram = said.find("ram");
  const auto* total = ram != nullptr ? ram->find("total") : nullptr;
  const auto* left = ram != nullptr ? ram->find("remaining") : nullptr;
  if (total == nullptr || left == nullptr || !total->as_int() || !left->as_int()) return;
  if (*left->as_int() < 0 || *left->as_int() > *total->as_int()) return;
  call.progress("memory", static_cast<std::uint64_t>(*total->as_int() - *left->as_int()),
                static_cast<std::uint64_t>(*total->as_int()));
}

// Reports how far QEMU has read: its descriptor is a duplicate of this one, and both share one file offset.
void tell_read(const plugin::Call& call, int memory) {
  struct stat file {};
  const off_t read = ::lseek(memory, 0, SEEK_CUR);
  if (read >= 0 && ::fstat(memory, &file) == 0)
    call.progress("memory", static_cast<std::uint64_t>(read), static_cast<std::uint64_t>(file.st_size));
}

// Whether the stream is complete; an error if it failed.
Result<bool> is_through(const plugin::Call& call, QmpClient& qmp) {
  QARAX_TRY(const json::Value said, qmp.execute(call, "query-migrate"));
  tell_written(call, said);
  const std::string status = stream_status(said);
  if (status == "completed") return true;
  if (status != "failed" && status != "cancelled") return false;
  const auto* why = said.find("error-desc");
  return make_error(
      Code::internal,
      "QEMU couldn't write the snapshot" +
          (why != nullptr && why->as_string() != nullptr ? ": " + *why->as_string() : ", and gives no reason"),
      "vmm-failed");
}

// No answer to what was asked. It may come later.
bool is_silence(const Error& error) { return error.code == Code::deadline_exceeded || error.code == Code::unavailable; }

// A guest that runs can't, nor one that no resume would help, as after its panic.
bool can_resume(const VmStatus& status) {
  return std::find(status.can.begin(), status.can.end(), "resume") != status.can.end();
}

// The error of a snapshot whose guest couldn't be resumed. `written`: how the snapshot went before that.
Error did_not_go_on(const Status& written, Error why) {
  const bool has_ended = why.code == Code::failed_precondition;
  if (has_ended && !written) return written.error();
  if (written) return std::move(why).context("the guest didn't go on after its snapshot");
  Error error = written.error();
  error.message += "; and the guest didn't go on after that: " + why.message;
  return error;
}

}  // namespace

// QEMU's main loop reads a restore's file by itself, and writes the end of a snapshot under its lock: on a slow disk
// the monitor is silent meanwhile, for as long as that takes. A QEMU that has ended is FAILED_PRECONDITION.
Result<bool> Qemu::poll_monitor(plugin::Call& call, const VmArgs& vm,
                                const std::function<Result<bool>(QmpClient&)>& so) {
  auto said = with_monitor(call, vm, so, poll_ms_);
  if (said || call.expired() || !is_silence(said.error())) return said;
  return false;
}

Status Qemu::write_memory(plugin::Call& call, const VmArgs& vm, int file) {
  const Status begun = with_monitor(call, vm, [&](QmpClient& qmp) -> Status {
    // No bandwidth limit: the stream goes to a file, not over a shared network.
    QARAX_CHECK(qmp.execute(call, "migrate-set-parameters", {{"max-bandwidth", json::Value(std::int64_t{1} << 40)}}));
    QARAX_CHECK(qmp.execute(call, "getfd", {{"fdname", json::Value(kStream)}}, file));
    QARAX_CHECK(qmp.execute(call, "migrate", {{"uri", json::Value(std::string("fd:") + kStream)}}));
    return Ok{};
  });
  QARAX_CHECK(begun);
  QARAX_TRY(const bool through, plugin::ask_until(call, kStreamMs, [&] {
              return poll_monitor(call, vm, [&](QmpClient& qmp) { return is_through(call, qmp); });
            }));
  return through ? Status(Ok{}) : Status(make_error(Code::deadline_exceeded, "the snapshot takes longer than a day"));
}

Result<VmStatus> Qemu::snapshot(plugin::Call& call, const SnapshotArgs& args) {
  const VmArgs& vm = args.vm;
  QARAX_TRY(const Handle handle, read_handle(vm));
  Machine machine{kSnapshotFormat, "qemu", program().version, handle.accelerator, handle.machine, {}, 1, {}};
  QARAX_TRY(machine.spec, spec_of(vm, handle));
  QARAX_CHECK(nothing_plugged(vm, handle));
  const int folder = call.fd(0);
  if (folder < 0) return make_error(Code::invalid_argument, "the call has no folder to write the snapshot to");
  QARAX_TRY(const std::string said, with_monitor(call, vm, [&](QmpClient& qmp) -> Result<std::string> {
              QARAX_TRY(const auto now, sizes_now(call, qmp, handle));
              machine.vcpus = now->vcpus;
              if (machine.spec.memory_hotplug_size.value_or(0) > 0) {
                QARAX_TRY(machine.dimms, plugged_memory(call, qmp));
              }
              return ask_state(call, qmp, vm.run_dir);
            }));
  if (said == "postmigrate")
    return make_error(Code::failed_precondition,
                      "VM " + vm.vm +
                          " stands where its last snapshot was made, which is what the next one would hold; " +
                          "resume it before that",
                      "wrong-state");
  if (said != "running" && said != "paused")
    return make_error(Code::failed_precondition, "VM " + vm.vm + " is " + said + " and can't be snapshotted",
                      "wrong-state");
  QARAX_TRY(const plugin::Socket file, begin_snapshot(folder));
  const bool runs = said == "running";
  // A stop that isn't answered may have been carried out, so its failure is cleaned up after like any other.
  Status written = runs ? with_monitor(call, vm, [&](QmpClient& qmp) { return qmp.stop(call); }) : Status(Ok{});
  if (written) {
    call.progress("memory");
    written = write_memory(call, vm, file.get());
  }
  // After any failure the stream may still run, and its end would stop the guest that is resumed below: cancel it.
  AfterStream after{call};
  if (!written)
    static_cast<void>(insist(after, vm, [](plugin::Call& own, QmpClient& qmp) -> Result<bool> {
      auto cancelled = qmp.execute(own, "migrate_cancel");
      if (cancelled || qmp.is_sound()) return true;  // a refusal is an answer, too
      return std::move(cancelled).error();
    }));
  if (Status resumed = runs ? go_on(after, vm, handle) : Status(Ok{}); !resumed)
    written = did_not_go_on(written, std::move(resumed).error());
  if (written) written = finish_snapshot(folder, file, machine);
  if (!written) {
    drop_snapshot(folder);
    return std::move(written).error();
  }
  call.progress("written", 1, 1);
  return look(call, vm, handle);
}

Status Qemu::go_on(AfterStream& after, const VmArgs& vm, const Handle& handle) {
  // QEMU refuses cont until a cancelled stream has ended, so repeat it.
  const std::int64_t begun_ns = plugin::monotonic_ns();
  auto resumed = insist(after, vm, [&](plugin::Call& own, QmpClient& qmp) -> Result<bool> {
    const Status went_on = qmp.cont(own);
    if (!went_on && !qmp.is_sound()) return went_on.error();
    QARAX_TRY(const std::string now, ask_state(own, qmp, vm.run_dir));
    if (!can_resume(alive(now, handle, std::nullopt))) return true;
    if (!went_on) return went_on.error();
    return false;
  });
  if (resumed || resumed.error().code == Code::failed_precondition) return resumed;
  const std::int64_t tried_ms = (plugin::monotonic_ns() - begun_ns) / 1'000'000;
  return std::move(resumed).error().context("QEMU didn't resume the guest within " + std::to_string(tried_ms) + " ms");
}

Status Qemu::insist(AfterStream& after, const VmArgs& vm,
                    const std::function<Result<bool>(plugin::Call&, QmpClient&)>& so) {
  const plugin::Call& call = after.call;
  const int most_ms = std::max(undo_ms_, call.deadline_ns() == 0 ? 0 : call.remaining_ms(kStreamMs));
  plugin::OwnCall own(most_ms);
  const auto left_ms = [&] {
    if (!after.cancelled_until_ns && call.cancelled())
      after.cancelled_until_ns = plugin::monotonic_ns() + std::int64_t{cancelled_ms_} * 1'000'000;
    if (!after.cancelled_until_ns) return most_ms;
    const std::int64_t left_ns = *after.cancelled_until_ns - plugin::monotonic_ns();
    return static_cast<int>(std::clamp<std::int64_t>(left_ns / 1'000'000, 0, most_ms));
  };
  Error last = make_error(Code::deadline_exceeded, "its monitor doesn't answer");
  auto done = plugin::ask_until(*own.get(), most_ms, [&]() -> Result<bool> {
    auto said = with_monitor(
        *own.get(), vm, [&](QmpClient& qmp) { return so(*own.get(), qmp); },
        std::min(poll_ms_, std::max(left_ms(), kLastTryMs)));
    // failed_precondition means that the VM has ended. Any other error, e.g. that this process is out of descriptors,
    // may pass in a moment.
    if (said ? *said : said.error().code == Code::failed_precondition) return said;
    if (!said && !is_silence(said.error())) last = std::move(said).error();
    if (left_ms() == 0) return make_error(Code::cancelled, "the call was cancelled");
    return false;
  });
  if (done && *done) return Ok{};
  if (!done && done.error().code == Code::failed_precondition) return std::move(done).error();
  return last;
}

Result<VmStatus> Qemu::restore(plugin::Call& call, const StartArgs& args) {
  const int folder = call.fd(0);
  if (folder < 0) return make_error(Code::invalid_argument, "the call has no folder to read the snapshot from");
  QARAX_TRY(Machine machine, read_machine(folder));
  QARAX_TRY(const plugin::Socket memory, open_memory(folder));
  return start_or_restore(call, args, Thaw{std::move(machine), memory.get()});
}

Status Qemu::drop_stream(plugin::Call& call, const VmArgs& vm) {
  // True if no stream is under way.
  const auto ended = [&](QmpClient& qmp) -> Result<bool> {
    QARAX_TRY(const json::Value said, qmp.execute(call, "query-migrate"));
    const std::string status = stream_status(said);
    if (status.empty() || status == "none" || status == "completed" || status == "failed" || status == "cancelled")
      return true;
    if (status != "cancelling") QARAX_CHECK(qmp.execute(call, "migrate_cancel"));
    return false;
  };
  QARAX_TRY(const bool is_over, plugin::ask_until(call, cancelled_ms_, [&] { return poll_monitor(call, vm, ended); }));
  return is_over ? Status(Ok{})
                 : Status(make_error(Code::deadline_exceeded, "QEMU doesn't end the interrupted snapshot of VM " +
                                                                  vm.vm + " within " + std::to_string(cancelled_ms_) +
                                                                  " ms; resumed, its guest would be stopped again"));
}

Status Qemu::thaw(plugin::Call& call, const StartArgs& args, const Thaw& from) {
  const VmArgs vm{args.vm, args.incarnation, args.run_dir, {}};
  {
    QARAX_TRY(Monitors::Lease qmp, monitors_.ask(call, vm.run_dir, kGreetingMs));
    QARAX_CHECK(qmp->execute(call, "migrate-incoming", {{"uri", json::Value("fd:" + std::to_string(kStateFd))}}));
  }
  QARAX_TRY(const bool there, plugin::ask_until(call, kStreamMs, [&]() -> Result<bool> {
              tell_read(call, from.memory);
              return poll_monitor(call, vm, [&](QmpClient& qmp) -> Result<bool> {
                QARAX_TRY(const std::string said, qmp.query_status(call));
                return said != "inmigrate";
              });
            }));
  return there ? Status(Ok{}) : Status(make_error(Code::deadline_exceeded, "the restore takes longer than a day"));
}

}  // namespace qarax::qemu
