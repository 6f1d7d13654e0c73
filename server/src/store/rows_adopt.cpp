#include <chrono>
#include <random>

#include "epoch.hpp"
#include "qarax/core/clock.hpp"
#include "row_values.hpp"
#include "rows.hpp"

namespace qarax::server::rows {

bool has_activation(Session& session, const std::string& id) {
  return session.numbers<1>("SELECT COUNT(*) FROM activations WHERE id = $1", id)[0] > 0;
}

std::optional<std::int64_t> end_of_activation(Session& session, const std::string& id) {
  const auto [end] = session.numbers<1>(
      "SELECT COALESCE(MIN(began_at), -1) FROM activations WHERE term > (SELECT term FROM activations WHERE id = $1)",
      id);
  if (end < 0) return std::nullopt;
  return end;
}

void set_needs_adopt(Session& session, const std::string& host_id, const std::string& proof) {
  session.run("UPDATE hosts SET needs_adopt = $1 WHERE id = $2", proof, host_id);
}

void redefine_vm(Session& session, const VmRecord& vm) {
  session.run("UPDATE vms SET name = $1, description = $2, spec = $3, boot_source_id = $4, tags = $5 WHERE id = $6",
              vm.name, nullable(vm.description), spec_text(vm), nullable(vm.boot_source_id), encode(vm.tags), vm.id);
}

std::optional<std::int64_t> end_of_epoch(Session& session, std::int64_t epoch) {
  const auto [end] = session.numbers<1>(
      "SELECT COALESCE(MIN(began_at), -1) FROM activations WHERE term > (SELECT MAX(term) FROM activations WHERE epoch "
      "= $1)",
      epoch);
  if (end < 0) return std::nullopt;
  return end;
}

void begin_activation(Session& session, const Activation& next) {
  const auto now = std::chrono::system_clock::now();
  std::random_device random;
  const std::int64_t epoch = epoch_at(now, random());
  // Where the clock is behind the present epoch, two copies of one database must not come to the same number. Steps of
  // 20 bits reach 2^53 after thousands of millions of activations.
  const std::int64_t step = 1 + static_cast<std::int64_t>(random() & 0xFFFFFU);
  session.run("UPDATE event_counter SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch + $2 END", epoch, step);
  session.run(
      "INSERT INTO activations (term, id, at, began_at, epoch) VALUES ($1, $2, $3, (SELECT seq FROM event_counter), "
      "(SELECT epoch FROM event_counter))",
      next.term, next.id, core::to_rfc3339(now));
}

void begin_term(Session& session, const Activation& next) {
  session.run("UPDATE cluster SET term = $1", next.term);
  begin_activation(session, next);
}

}  // namespace qarax::server::rows
